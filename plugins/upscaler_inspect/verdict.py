"""What a bandwidth says about a recording's past, in words. All words about it are decided here, so that they agree.

They accuse nobody: an edge alone, without a cause that a detector has recognised, is called by what it looks like. If the
detector is not sure that the content ends there, no cause is named at all.

>>> origin_of(Bandwidth(21_800, 80, 500, cause="resampled"), 96_000).looks
'resampled from 44.1 kHz'
>>> prospect(Bandwidth(21_800, 80, 500))
'content to 21.8 kHz; nothing audible to add'
"""

from __future__ import annotations

from dataclasses import dataclass

from upscaler_core.dsp import LOW_CONFIDENCE, Bandwidth, BandwidthTrack
from upscaler_core.files import Restoration
from upscaler_core.pipeline import FULL_BAND_HZ

RESTORED_TO_HZ = 24_000
"""Enhancement models work at 48 kHz and 96 kHz; what they restore is judged up to this frequency, Hz."""
COMMON_RATES = (8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000)
"""Sample rates, Hz, from which a recording may have been resampled."""
CODEC_CUTOFF_HZ = (12_200, 20_600)
"""The range in which MP3, AAC, Vorbis and Opus cut music off, in files of up to 48 kHz."""
STEEP_DB_PER_OCTAVE = 150.0
"""Converters and codecs have steeper edges than this; tapes, microphones and analogue filters do not."""
GENTLE = "low-passed gently (tape, microphone or analogue filter)"


@dataclass(frozen=True)
class Origin:
    """Why the content ends where it does."""

    looks: str
    """In words."""
    short: str
    """In fewer words, for a list of parts."""
    lossy: bool = False
    """Whether it looks as after a lossy codec."""
    source_rate: int | None = None
    """The rate, Hz, that the recording looks resampled from."""


@dataclass(frozen=True)
class Verdict:
    """What is said of a whole recording."""

    looks: str
    advice: str
    """What an upscaler could add; empty for silence."""

    def __str__(self) -> str:
        return (": " if ":" not in self.looks else "; ").join(filter(None, (self.looks, self.advice)))


def verdict_of(
    track: BandwidthTrack,
    rate: int,
    *,
    silent: bool = False,
    restoration: Restoration | None = None,
    given: bool = False,
) -> Verdict:
    """Judge a recording.

    Args:
        track: where its content ends.
        rate: Hz.
        silent: it holds nothing but digital silence.
        restoration: what its tags say that was restored in it.
        given: the user said where it ends.
    """
    if silent:
        return Verdict("silence", "")
    if restoration and restoration.above_hz is not None:
        place = f"{restoration.above_hz / 1000:.1f} kHz"
        return Verdict(f"restored by {restoration.program} above {place}", "what is there was added")
    if track.is_constant:
        return Verdict(origin_of(track.lowest, rate, given).looks, prospect(track.lowest))
    cutoffs = [segment.bandwidth.cutoff_hz for segment in track.segments]
    short = sum(cutoff < FULL_BAND_HZ for cutoff in cutoffs)
    return Verdict(
        f"{len(cutoffs)} parts that end at {min(cutoffs) / 1000:.1f} to {max(cutoffs) / 1000:.1f} kHz",
        f"{short} of them can be restored up to {RESTORED_TO_HZ / 1000:.0f} kHz" if short else "nothing audible to add",
    )


def prospect(bandwidth: Bandwidth) -> str:
    """What an upscaler could add."""
    place = f"{bandwidth.cutoff_hz / 1000:.1f}"
    if bandwidth.cutoff_hz < FULL_BAND_HZ:
        return f"content to {place} kHz; {place} to {RESTORED_TO_HZ / 1000:.0f} kHz can be restored"
    return f"content to {place} kHz; nothing audible to add" if bandwidth.has_edge else "nothing to add"


def origin_of(bandwidth: Bandwidth, rate: int, given: bool = False) -> Origin:
    """Why the content of a recording at `rate` Hz ends where it does; `given` = because the user said so."""
    if given:
        return Origin("as you said", "as you said")
    if bandwidth.confidence < LOW_CONFIDENCE and not bandwidth.has_edge:
        return Origin("no edge was found", "no edge found")
    if bandwidth.confidence < LOW_CONFIDENCE and not _reaches_nyquist(bandwidth, rate):
        return Origin("cause unknown", "cause unknown")
    match bandwidth.cause:
        case "dark":
            return Origin("dark but complete: the content ends by itself", "dark but complete")
        case "lossy":
            return _lossy(bandwidth)
        case "low-pass":
            return Origin(GENTLE, "low-passed gently")
        case "resampled" if (lower := source_rate(bandwidth.cutoff_hz, rate)) or not _reaches_nyquist(bandwidth, rate):
            return _resampled(lower)
        case "unknown" if bandwidth.has_edge and not _reaches_nyquist(bandwidth, rate):
            return _by_its_edge(bandwidth, rate)
    if bandwidth.cutoff_hz >= FULL_BAND_HZ:
        return Origin("full band", "full band")
    return Origin(f"complete for its rate of {rate / 1000:g} kHz", "complete")


def source_rate(cutoff_hz: float, rate: int) -> int | None:
    """The lowest common rate below `rate`, Hz, at whose Nyquist frequency a cut-off lies; None if there is none.

    Converters are −6 dB at 0.9 to 1.0 of the Nyquist frequency.

    >>> source_rate(21_500.0, 96_000)
    44100
    """
    return next((low for low in COMMON_RATES if low < rate and 0.45 * low <= cutoff_hz <= 0.505 * low), None)


def _reaches_nyquist(bandwidth: Bandwidth, rate: int) -> bool:
    """Whether the content ends with the sample rate, where any converter to that rate ends it."""
    return bandwidth.cutoff_hz >= 0.9 * rate / 2


def _lossy(bandwidth: Bandwidth) -> Origin:
    rate = f" at about {bandwidth.kbps:.0f} kbit/s" if bandwidth.kbps else ""
    codec = f", probably {bandwidth.codec}" if bandwidth.codec else ""
    return Origin(
        f"lossy codec{codec}{rate}", f"lossy{codec.replace(' probably', '')}{rate.replace(' at', '')}", lossy=True
    )


def _resampled(lower: int | None) -> Origin:
    words = f"resampled from {lower / 1000:g} kHz" if lower else "resampled"
    return Origin(words, words, source_rate=lower)


def _by_its_edge(bandwidth: Bandwidth, rate: int) -> Origin:
    """What an edge looks like, where nothing but its place and its slope is known."""
    if bandwidth.slope < STEEP_DB_PER_OCTAVE:
        return Origin(GENTLE, "low-passed gently")
    lower = source_rate(bandwidth.cutoff_hz, rate)
    low, high = CODEC_CUTOFF_HZ
    if rate > 48_000 or not low <= bandwidth.cutoff_hz <= high:
        return _resampled(lower) if lower else Origin("low-passed steeply", "low-passed steeply")
    other = f" or a resampling from {lower / 1000:g} kHz" if lower else ""
    return Origin(f"cut off steeply, as by a lossy codec{other}", "cut off steeply", lossy=True)
