"""Which channel belongs to which loudspeaker: the orders and the names of the file formats.

All audio in this program has, like WAV and FLAC, its channels in the order of `upscaler_core.dsp.SPEAKERS`. libsndfile
changes the order of Ogg Vorbis and Opus neither in reading nor in writing.
"""

from __future__ import annotations

from collections.abc import Sequence

from upscaler_core.dsp import SPEAKERS

VORBIS_ORDER = {
    3: (0, 2, 1),
    5: (0, 2, 1, 3, 4),
    6: (0, 2, 1, 4, 5, 3),
    7: (0, 2, 1, 5, 6, 4, 3),
    8: (0, 2, 1, 6, 7, 4, 5, 3),
}
"""Where Vorbis's channels stand in the order of WAV, by their number: Vorbis I specification, 4.3.9; RFC 7845, 5.1.1.2."""

MASK_TAG = "waveformatextensible_channel_mask"
"""The Vorbis comment by which FLAC files name other loudspeakers than those that a channel count means: RFC 9639, 8.6.2."""


def layout_of_mask(mask: int, channels: int) -> tuple[str, ...]:
    """The loudspeakers of a WAVE_FORMAT_EXTENSIBLE mask; empty where it does not name one for each channel.

    >>> layout_of_mask(0x0B, 3)
    ('FL', 'FR', 'LFE')
    """
    named = tuple(name for bit, name in enumerate(SPEAKERS) if mask >> bit & 1)[:channels]
    return named if len(named) == channels else ()


def mask_of_layout(layout: Sequence[str]) -> int:
    """The inverse of `layout_of_mask`; 0 where a mask cannot say it, because one is unknown or the order is another one.

    >>> hex(mask_of_layout(["FL", "FR", "LFE"])), mask_of_layout(["FC", "FL"])
    ('0xb', 0)
    """
    bits = [SPEAKERS.index(name) if name in SPEAKERS else -1 for name in layout]
    in_order = bits == sorted(set(bits)) and min(bits, default=-1) >= 0
    return sum(1 << bit for bit in bits) if in_order else 0
