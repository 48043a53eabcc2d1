"""The facts about a recording: its header, its levels, where its content ends, and what could be added."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from upscaler_core import AudioInfo, Registry
from upscaler_core.dsp import Bandwidth, Levels, measure_bandwidth, measure_levels
from upscaler_core.files import open_recording
from upscaler_core.pipeline import FULL_BAND_HZ

RESTORED_TO_HZ = 24_000
"""Enhancement models work at 48 kHz: nothing is restored above this frequency, Hz."""
COMMON_RATES = (8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000)
"""Sample rates, Hz, from which a recording may have been upsampled."""
CODEC_CUTOFF_HZ = (12_200, 20_600)
"""The range in which MP3, AAC, Vorbis and Opus cut music off, in files of up to 48 kHz."""
STEEP_DB_PER_OCTAVE = 90.0
"""Converters and codecs have steeper edges than this; microphones and rooms do not."""


@dataclass(frozen=True)
class Inspection:
    """All facts about a file."""

    path: Path
    info: AudioInfo
    levels: Levels
    bandwidth: Bandwidth
    damage: str | None

    @property
    def seconds(self) -> float:
        """Length of the part that could be decoded, seconds."""
        return self.levels.frames / self.info.rate

    @property
    def upsampled_from(self) -> int | None:
        """The sample rate, Hz, from which the file was upsampled; None if the content does not end abruptly at the Nyquist
        frequency of a common rate, or if a codec may have ended it.
        """
        return None if self.lossy else source_rate(self.bandwidth, self.info.rate)

    @property
    def lossy(self) -> bool:
        """Whether the content ends as after a lossy codec."""
        return (
            self.info.rate <= 48_000
            and self.bandwidth.slope > STEEP_DB_PER_OCTAVE
            and within(self.bandwidth.cutoff_hz, CODEC_CUTOFF_HZ)
        )

    @property
    def looks(self) -> str:
        """How the spectrum looks, in words that follow "looks"."""
        if not self.bandwidth.has_edge:
            return "uncut up to the Nyquist frequency"
        if self.lossy:
            return "cut off as by a lossy codec"
        if rate := self.upsampled_from:
            return f"upsampled from {rate / 1000:g} kHz"
        return "low-passed"

    @property
    def advice(self) -> str:
        """What an upscaler could add, in one sentence."""
        cutoff = self.bandwidth.cutoff_hz
        if self.levels.peak_db < -200:
            return "silence: nothing to add"
        if cutoff >= FULL_BAND_HZ:
            return "full band: nothing to add"
        return (
            f"content ends at {cutoff / 1000:.1f} kHz: "
            f"{cutoff / 1000:.1f} to {RESTORED_TO_HZ / 1000:.0f} kHz can be restored"
        )


def within(value: float, bounds: tuple[float, float]) -> bool:
    """Whether a value lies between two bounds, or on one."""
    return bounds[0] <= value <= bounds[1]


def source_rate(bandwidth: Bandwidth, rate: int) -> int | None:
    """The lowest common rate, Hz, at whose Nyquist frequency an edge lies; None if there is none below `rate`.

    Converters are −6 dB at 0.9 to 1.0 of the Nyquist frequency.

    >>> source_rate(Bandwidth(21_500.0, 80.0, 400.0), 96_000)
    44100
    """
    if bandwidth.slope <= STEEP_DB_PER_OCTAVE:
        return None
    lower_rates = (lower for lower in COMMON_RATES if lower < rate)
    return next((low for low in lower_rates if within(bandwidth.cutoff_hz, (0.45 * low, 0.505 * low))), None)


def inspect(path: Path, registry: Registry) -> Inspection:
    """Inspect a file, in two passes. Memory does not grow with its length.

    Raises:
        InputError: no reader can read the file, or it holds no audio; the message begins with the path.
        MissingDependency: something that the file's format needs is not installed.
    """
    with open_recording(path, registry) as recording:
        info = recording.info
        full_scale = 1.0 if info.bits is None or info.floating else 1 - 2.0 ** (1 - info.bits)
        levels = measure_levels(recording.blocks(), info.rate, full_scale)
        bandwidth = measure_bandwidth(recording.blocks(), info.rate)
        return Inspection(path, info, levels, bandwidth, recording.damage)
