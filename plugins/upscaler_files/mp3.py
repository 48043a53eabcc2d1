"""Writes MP3."""

from __future__ import annotations

from typing import Any, BinaryIO

from upscaler_core import AudioInfo
from upscaler_core.files import basic_id3_tag, id3_tag
from upscaler_files.encoder import SoundFileEncoder
from upscaler_files.exporter import FileExporter
from upscaler_files.options import Mp3Options

_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


class Mp3Exporter(FileExporter[Mp3Options]):
    """Writes MP3 files by LAME, which libsndfile carries. They decode to the length that was written, without delay."""

    default_options = Mp3Options
    lossy = True

    def refuse(self, rate: int, channels: int) -> str | None:
        """Why this pair cannot be written as the options ask, and the nearest that can; None where it can."""
        if not 1 <= channels <= 2:
            return f"MP3 holds 1 or 2 channels, not {channels:,}: write FLAC or WAV instead"
        if rate not in _RATES:
            near = min(_RATES, key=lambda possible: abs(possible - rate))
            limit = "holds at most 48,000 Hz, not" if rate > _RATES[-1] else "does not hold"
            return f"MP3 {limit} {rate:,}{'' if rate > _RATES[-1] else ' Hz'}: add -r {near}, or write FLAC"
        most = _bit_rates(rate)[1]
        if self.options.bitrate and self.options.bitrate > most:
            limit = f"MP3 at {rate:,} Hz holds at most {most} kbps, not {self.options.bitrate}"
            return f"{limit}: leave the bit rate out, or add -r 44100"
        return None

    def encoder(self, file: BinaryIO, rate: int, channels: int, source: AudioInfo) -> SoundFileEncoder:
        """Write the tags, and encode by libsndfile after them."""
        tag = id3_tag(source)
        head = basic_id3_tag(source) if tag is None else tag
        settings: dict[str, Any]
        if self.options.bitrate is None:
            settings = {"bitrate_mode": "VARIABLE", "compression_level": self.options.quality / 10}
        else:
            least, most = _bit_rates(rate)
            settings = {"bitrate_mode": "CONSTANT", "compression_level": (most - self.options.bitrate) / (most - least)}
        return SoundFileEncoder(file, rate, channels, "MP3", "MPEG_LAYER_III", {}, head=head, **settings)


def _bit_rates(rate: int) -> tuple[int, int]:
    """The constant bit rates, kbps, at the ends 1.0 and 0.0 of libsndfile's compression level.

    The highest are those of MPEG-1, MPEG-2 and MPEG-2.5, the last one as LAME keeps it.
    """
    if rate >= 32_000:
        return 32, 320
    return 8, 160 if rate >= 16_000 else 64
