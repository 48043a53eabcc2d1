"""Loudspeakers by their usual short names, in the order of WAV: which channel count means which, and how loud each counts.

| name | loudspeaker | name | loudspeaker |
|---|---|---|---|
| FL, FR, FC | front left, right, centre | FLC, FRC | between the centre and front left, right |
| LFE | low-frequency effects | BC | back centre |
| BL, BR | back left, right | SL, SR | side left, right |
| TC | top centre | TFL, TFC, TFR, TBL, TBC, TBR | above the front and the back |
"""

from __future__ import annotations

from collections.abc import Sequence

SPEAKERS = (
    *("FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR"),
    *("TC", "TFL", "TFC", "TFR", "TBL", "TBC", "TBR"),
)
"""The loudspeakers that WAVE_FORMAT_EXTENSIBLE knows, in the order of its bits and of the channels in a file."""

_DEFAULTS = {
    1: "FC",
    2: "FL FR",
    3: "FL FR FC",
    4: "FL FR BL BR",
    5: "FL FR FC BL BR",
    6: "FL FR FC LFE BL BR",
    7: "FL FR FC LFE BC SL SR",
    8: "FL FR FC LFE BL BR SL SR",
}
_SURROUND = 1.41  # +1.5 dB
_SURROUNDS = ("BL", "BR", "SL", "SR")


def default_layout(channels: int) -> tuple[str, ...]:
    """The loudspeakers that a channel count means where nothing else is said (RFC 9639, 9.1.3); empty for more than 8."""
    return tuple(_DEFAULTS.get(channels, "").split())


def same_layout(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two layouts are the same. A single pair of surround loudspeakers may be called back or side.

    >>> same_layout(["FL", "FR", "FC", "LFE", "SL", "SR"], default_layout(6)), same_layout(["FL", "FR"], ["FL", "FC"])
    (True, False)
    """
    return _with_one_pair_behind(one) == _with_one_pair_behind(other)


def _with_one_pair_behind(layout: Sequence[str]) -> tuple[str, ...]:
    if "BL" in layout or "BC" in layout:
        return tuple(layout)
    return tuple({"SL": "BL", "SR": "BR"}.get(name, name) for name in layout)


def loudness_weights(layout: Sequence[str]) -> list[float]:
    """The weight of each loudspeaker in the loudness of ITU-R BS.1770-5, annexes 1 and 3.

    Those from 60° to 120° to the side count 1.41, low-frequency effects nothing, and all others 1. The only surround pair
    stands at 110°, whatever it is called. Where there are side and back ones, the back ones stand at 135°.

    >>> loudness_weights(default_layout(8))
    [1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.41, 1.41]
    """
    surrounds = ("SL", "SR") if "SL" in layout else _SURROUNDS
    return [0.0 if name == "LFE" else _SURROUND if name in surrounds else 1.0 for name in layout]
