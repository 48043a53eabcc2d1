"""Writes FLAC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from typing import BinaryIO

from upscaler_core import AudioInfo
from upscaler_core.dsp import default_layout
from upscaler_core.files import basic_tags, tag_flac
from upscaler_files.channels import MASK_TAG, mask_of_layout
from upscaler_files.encoder import SoundFileEncoder
from upscaler_files.exporter import FileExporter
from upscaler_files.options import FlacOptions
from upscaler_files.quantize import Quantizer, quantizer_for


class FlacExporter(FileExporter[FlacOptions]):
    """Writes FLAC files. A source of 32 bits or of floating point becomes 24 bits, the most that is written."""

    default_options = FlacOptions

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

    def layout_warning(self, layout: Sequence[str]) -> str | None:
        """What becomes of loudspeakers that only a comment can name, without what writes it; None where all can be named."""
        if mask_of_layout(layout) and find_spec("mutagen"):
            return None
        return super().layout_warning(layout)

    def quantizer(self, rate: int, source: AudioInfo, seed: int) -> Quantizer:
        """Make integers of 16 or 24 bits."""
        return quantizer_for(self._bits, self.options.dither, rate, seed)

    def encoder(self, file: BinaryIO, rate: int, channels: int, source: AudioInfo) -> SoundFileEncoder:
        """Encode by libsndfile, and add the tags to the complete file."""
        if (
            source.layout
            and tuple(source.layout) != default_layout(channels)
            and (mask := mask_of_layout(source.layout))
        ):
            source = replace(source, tags={**source.tags, MASK_TAG: [f"0x{mask:04X}"]})
        return SoundFileEncoder(
            file, rate, channels, "FLAC", f"PCM_{self._bits}", basic_tags(source),
            amend=partial(tag_flac, source=source), compression_level=self.options.compression / 8,
        )  # fmt: skip

    @property
    def _bits(self) -> int:
        return 24 if self.options.bits == "auto" else self.options.bits
