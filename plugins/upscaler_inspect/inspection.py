"""What a look inside a recording finds: its header, its levels, where its content ends, and what could be added."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from upscaler_core import AudioInfo, Registry
from upscaler_core.dsp import Bandwidth, Levels, measure_bandwidth, measure_levels
from upscaler_core.files import open_recording
from upscaler_core.pipeline import FULL_BAND_HZ

RESTORED_TO_HZ = 24_000
"""Enhancement models work at 48 kHz: above this nothing is restored."""
COMMON_RATES = (8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000)
CODED_HZ = (12_200, 20_600)
"""Where MP3, AAC, Vorbis and Opus cut music off, in files of up to 48 kHz."""
ABRUPT = 90.0
"""dB an octave: converters and codecs are steeper, microphones and rooms are not."""


@dataclass(frozen=True)
class Inspection:
    """All findings about a file."""

    path: Path
    info: AudioInfo
    levels: Levels
    bandwidth: Bandwidth
    damage: str | None

    @property
    def seconds(self) -> float:
        """Length of what could be decoded."""
        return self.levels.frames / self.info.rate

    @property
    def upsampled_from(self) -> int | None:
        """The rate, Hz, at whose Nyquist frequency the content ends abruptly; None where it does not, or a codec might."""
        return None if self.lossy else resampled_from(self.bandwidth, self.info.rate)

    @property
    def lossy(self) -> bool:
        """Whether the content ends as lossy codecs end it."""
        return self.info.rate <= 48_000 and self.bandwidth.slope > ABRUPT and within(self.bandwidth.cutoff_hz, CODED_HZ)

    @property
    def looks(self) -> str:
        """What the spectrum looks, in a few words that follow "looks"."""
        if not self.bandwidth.found:
            return "uncut up to the Nyquist frequency"
        if self.lossy:
            return "cut off as by a lossy codec"
        if rate := self.upsampled_from:
            return f"upsampled from {rate / 1000:g} kHz"
        return "low-passed"

    @property
    def advice(self) -> str:
        """What an upscaler could add, in a sentence."""
        end = self.bandwidth.cutoff_hz
        if self.levels.peak_db < -200:
            return "silence: nothing to add"
        if end >= FULL_BAND_HZ:
            return "full band: nothing to add"
        return (
            f"content ends at {end / 1000:.1f} kHz: {end / 1000:.1f} to {RESTORED_TO_HZ / 1000:.0f} kHz can be restored"
        )


def within(value: float, bounds: tuple[float, float]) -> bool:
    """Whether a value lies between two."""
    return bounds[0] <= value <= bounds[1]


def resampled_from(bandwidth: Bandwidth, rate: int) -> int | None:
    """The lowest common rate at whose Nyquist frequency an edge lies: converters are −6 dB at 0.9 to 1.0 of it.

    >>> resampled_from(Bandwidth(21_500.0, 80.0, 400.0), 96_000)
    44100
    """
    if bandwidth.slope <= ABRUPT:
        return None
    nyquists = (lower for lower in COMMON_RATES if lower < rate)
    return next((low for low in nyquists if within(bandwidth.cutoff_hz, (0.45 * low, 0.505 * low))), None)


def inspect(path: Path, registry: Registry) -> Inspection:
    """Look inside a file, in two passes and flat memory.

    Raises:
        InputError: nothing can read it, or it holds no audio; the message begins with the path.
        MissingDependency: what its format needs is not installed.
    """
    with open_recording(path, registry) as recording:
        info = recording.info
        full_scale = 1.0 if info.bits is None or info.floating else 1 - 2.0 ** (1 - info.bits)
        levels = measure_levels(recording.blocks(), info.rate, full_scale)
        bandwidth = measure_bandwidth(recording.blocks(), info.rate)
        return Inspection(path, info, levels, bandwidth, recording.damage)
