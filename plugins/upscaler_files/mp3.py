"""Writes MP3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from upscaler_core import AudioInfo, OutputError
from upscaler_core.files import ID3_FRAMES
from upscaler_files import tags
from upscaler_files.encoder import SoundFileEncoder
from upscaler_files.lossy import LossySink
from upscaler_files.options import Mp3Options
from upscaler_files.sink import FileSink, carried_tags

_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


class Mp3Exporter:
    """Writes MP3 files by LAME, which libsndfile carries. They decode to the length that was written, without delay."""

    def __init__(self, options: Mp3Options | None = None) -> None:
        self._options = options or Mp3Options()

    def refuse(self, rate: int, channels: int) -> str | None:
        """Why this pair cannot be written as the options ask, and the nearest that can; None where it can."""
        if not 1 <= channels <= 2:
            return f"MP3 holds 1 or 2 channels, not {channels:,}: write FLAC or WAV instead"
        if rate not in _RATES:
            near = min(_RATES, key=lambda possible: abs(possible - rate))
            limit = "holds at most 48,000 Hz, not" if rate > _RATES[-1] else "does not hold"
            return f"MP3 {limit} {rate:,}{'' if rate > _RATES[-1] else ' Hz'}: add -r {near}, or write FLAC"
        most = _constant(rate)[1]
        if self._options.mode == "cbr" and self._options.kbps > most:
            limit = f"MP3 at {rate:,} Hz holds at most {most} kbps, not {self._options.kbps}"
            return f"{limit}: choose the mode vbr, or add -r 44100"
        return None

    def open(self, path: Path, rate: int, channels: int, source: AudioInfo | None = None, seed: int = 0) -> FileSink:
        """Open `path` for writing; see `LossySink`.

        Raises:
            OutputError: this pair of rate and channels, or the path, cannot be written.
        """
        if reason := self.refuse(rate, channels):
            raise OutputError(reason)
        settings: dict[str, Any]
        if self._options.mode == "vbr":
            settings = {"bitrate_mode": "VARIABLE", "compression_level": self._options.quality / 10}
        else:
            least, most = _constant(rate)
            level = (most - self._options.kbps) / (most - least)
            settings = {"bitrate_mode": "CONSTANT", "compression_level": level}
        tag = tags.id3(source)
        head = id3(carried_tags(source)) if tag is None else tag
        return LossySink(
            path,
            channels,
            lambda file: SoundFileEncoder(file, rate, channels, "MP3", "MPEG_LAYER_III", {}, head=head, **settings),
            None,
        )


def id3(text: dict[str, str]) -> bytes:
    """An ID3v2.4 tag in UTF-8, which LAME would write too but call Latin-1; nothing for no tags.

    "ID3 tag version 2.4.0 - Main Structure", id3.org (2000).
    """
    frames = b""
    for name, value in text.items():
        about = b"XXX\0" if name == "comment" else b""  # a language, here unknown, and an empty description
        body = b"\3" + about + value.encode()
        frames += (
            (b"COMM" if name == "comment" else ID3_FRAMES[name].encode()) + _seven_bits(len(body)) + b"\0\0" + body
        )
    return b"ID3\4\0\0" + _seven_bits(len(frames)) + frames if frames else b""


def _seven_bits(size: int) -> bytes:
    """A size with 7 bits in each of 4 bytes, so that it is never mistaken for the start of an audio frame."""
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


def _constant(rate: int) -> tuple[int, int]:
    """The constant bit rates, kbps, at the ends 1.0 and 0.0 of libsndfile's compression level.

    The highest are those of MPEG-1, MPEG-2 and MPEG-2.5, the last one as LAME keeps it.
    """
    if rate >= 32_000:
        return 32, 320
    return 8, 160 if rate >= 16_000 else 64
