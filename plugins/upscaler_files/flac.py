"""Writes FLAC."""

from __future__ import annotations

from pathlib import Path

from upscaler_core import AudioInfo, OutputError
from upscaler_files import tags
from upscaler_files.encoder import SoundFileEncoder
from upscaler_files.options import FlacOptions
from upscaler_files.quantize import quantizer_for
from upscaler_files.sink import FileSink, carried_tags


class FlacExporter:
    """Writes FLAC files; a source of 32 bits or of floating point becomes 24 bits, the most that is written."""

    def __init__(self, options: FlacOptions | None = None) -> None:
        self._options = options or FlacOptions()

    def refuse(self, rate: int, channels: int) -> str | None:
        """Why this pair cannot be written, and the nearest that can; None where it can."""
        if not 1 <= channels <= 8:
            return f"FLAC holds 1 to 8 channels, not {channels:,}: write WAV instead"
        if not 1 <= rate <= 655_350:
            return f"FLAC holds at most 655,350 Hz, not {rate:,}: choose a lower rate, or write WAV"
        if rate > 65_535 and rate % 10:
            near = round(rate, -1)
            return f"FLAC holds rates above 65,535 Hz in steps of 10 Hz, not {rate:,}: choose {near:,}, or write WAV"
        return None

    def open(self, path: Path, rate: int, channels: int, source: AudioInfo | None = None, seed: int = 0) -> FileSink:
        """Open `path` for writing; see `FileSink`.

        Raises:
            OutputError: this pair of rate and channels, or the path, cannot be written.
        """
        if reason := self.refuse(rate, channels):
            raise OutputError(reason)
        bits = 24 if self._options.bits == "auto" else self._options.bits
        text, amend = carried_tags(source), tags.into_flac(source)
        level = self._options.compression / 8
        return FileSink(
            path,
            channels,
            lambda file: SoundFileEncoder(
                file, rate, channels, "FLAC", f"PCM_{bits}", text, amend=amend, compression_level=level
            ),
            quantizer_for(bits, self._options.dither, rate, seed),
        )
