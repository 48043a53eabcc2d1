"""Writes WAV, and RF64 where the file grows beyond what WAV's 32-bit sizes can state.

This module writes the file itself, because libsndfile's WAV over 4 GiB reads back short, its float WAV holds the time of day
(so the same input gives different bytes), and its RF64 with automatic downgrade is not plain WAV either. A chunk of 28 bytes
at the start is reserved, and becomes RF64's `ds64` at the end if necessary: EBU Tech 3306, "RF64".
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from upscaler_core import AudioInfo
from upscaler_core.dsp import SPEAKERS, default_layout
from upscaler_core.files import id3_tag, wav_chunks
from upscaler_files.channels import mask_of_layout
from upscaler_files.exporter import FileExporter
from upscaler_files.options import WavOptions
from upscaler_files.quantize import Quantizer, quantizer_for

_LIMIT = 0xFFFFFFFF  # the largest size that a chunk can state; it also means that the size is elsewhere
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_GUID = bytes.fromhex("000000001000800000aa00389b71")  # what follows the format's own two bytes in its sub-format


class WavExporter(FileExporter[WavOptions]):
    """Writes WAV files of up to 1,024 channels."""

    default_options = WavOptions

    def refuse(self, rate: int, channels: int) -> str | None:
        """Why this pair cannot be written; None where it can."""
        if not 1 <= channels <= 1024:
            return f"WAV is written with 1 to 1,024 channels, not {channels:,}"
        if not 1 <= rate <= 768_000:
            return f"WAV is written at up to 768,000 Hz, not {rate:,}"
        return None

    def quantizer(self, rate: int, source: AudioInfo, seed: int) -> Quantizer | None:
        """Make integers of the samples, unless they are written as floats."""
        bits = self._bits(source)
        return None if bits is None else quantizer_for(bits, self.options.dither, rate, seed)

    def encoder(self, file: BinaryIO, rate: int, channels: int, source: AudioInfo) -> WavEncoder:
        """Write basic tags and the source's own chunks before the samples, and all tags after them."""
        id3, bits = id3_tag(source), self._bits(source)
        tail = _chunk(b"id3 ", id3) if id3 else b""
        mask = mask_of_layout(source.layout) if len(source.layout) == channels else 0
        return WavEncoder(file, rate, channels, bits, wav_chunks(source, rate, bits or 32), tail, mask)

    def layout_warning(self, layout: Sequence[str]) -> str | None:
        """What becomes of loudspeakers that have no bit in a mask; None where all have one."""
        unknown = [name for name in layout if name not in SPEAKERS]
        if not layout or mask_of_layout(layout):
            return None
        return f"the loudspeakers {', '.join(unknown or layout)} cannot be named in WAV, so that no channel has a name there"

    def _bits(self, source: AudioInfo) -> int | None:
        """Bits of an integer sample; None for 32-bit float."""
        if self.options.bits != "auto":
            return None if self.options.bits == "float" else self.options.bits
        if source.floating:
            return None
        return 32 if (source.bits or 0) > 24 else 24


class WavEncoder:
    """Writes the header, the samples, and at the end the sizes.

    Args:
        file: where to.
        rate: Hz.
        channels: number of channels.
        bits: 16, 24 or 32, or None for 32-bit float.
        chunks: those that come before the samples.
        tail: those that come after them.
        mask: the loudspeakers, a bit each; 0 = unknown.
    """

    def __init__(
        self,
        file: BinaryIO,
        rate: int,
        channels: int,
        bits: int | None,
        chunks: bytes = b"",
        tail: bytes = b"",
        mask: int = 0,
    ) -> None:
        self._file = file
        self._tail = tail
        self._bytes = (bits or 32) // 8
        self._frame = self._bytes * channels
        self._written = 0
        form, fact = _format(rate, channels, bits, mask), b""
        if bits is None:  # a format other than integer PCM has to state its length once more
            fact = _chunk(b"fact", struct.pack("<I", _LIMIT))
        head = b"RIFF" + struct.pack("<I", _LIMIT) + b"WAVE" + _chunk(b"JUNK", bytes(28)) + _chunk(b"fmt ", form)
        self._fact = len(head) + 8 if fact else None
        head += fact + chunks
        self._data = len(head) + 8
        # Until the end is known the sizes mean "to the end of the file", so that a file can be read that ends with a power
        # cut.
        file.write(head + b"data" + struct.pack("<I", _LIMIT))

    def write(self, samples: NDArray[Any]) -> None:
        """Append `[time, channel]`: float32, or int32 that uses all 32 bits."""
        if self._bytes < 4:  # the upper bytes of little-endian 32-bit integers
            raw = samples.astype("<i4", copy=False).view(np.uint8).reshape(samples.size, 4)[:, 4 - self._bytes :]
            samples = np.ascontiguousarray(raw)
        else:
            samples = samples.astype(samples.dtype.newbyteorder("<"), copy=False)
        self._file.write(samples.data)
        self._written += samples.nbytes

    def finish(self) -> None:
        """Write the pad byte, the tail and the sizes."""
        self._file.write(bytes(self._written % 2) + self._tail)
        size = self._file.seek(0, io.SEEK_END)
        if size != self._data + self._written + self._written % 2 + len(self._tail):
            raise OSError(f"{self._data + self._written:,} bytes were written, and the file holds {size:,}")
        frames = self._written // self._frame
        fits = size - 8 <= _LIMIT
        if fits:
            self._patch(4, struct.pack("<I", size - 8))
            self._patch(self._data - 4, struct.pack("<I", self._written))
        else:
            self._patch(0, b"RF64")
            self._patch(12, _chunk(b"ds64", struct.pack("<QQQI", size - 8, self._written, frames, 0)))
        if self._fact is not None:
            self._patch(self._fact, struct.pack("<I", frames if fits else _LIMIT))

    def abandon(self) -> None:
        """Do nothing: the encoder has nothing open."""

    def _patch(self, position: int, data: bytes) -> None:
        self._file.seek(position)
        self._file.write(data)


def _format(rate: int, channels: int, bits: int | None, mask: int) -> bytes:
    """The contents of `fmt `: plain for one and two channels that are nothing else than mono and stereo, else extensible."""
    tag, width = (_FLOAT, 32) if bits is None else (_PCM, bits)
    plain = struct.pack(
        "<HIIHH", channels, rate, min(rate * channels * width // 8, _LIMIT), channels * width // 8, width
    )
    if channels > 2 or mask not in (0, mask_of_layout(default_layout(channels))):
        return struct.pack("<H", _EXTENSIBLE) + plain + struct.pack("<HHIH", 22, width, mask, tag) + _GUID
    return struct.pack("<H", tag) + plain + (b"\0\0" if bits is None else b"")


def _chunk(name: bytes, contents: bytes) -> bytes:
    return name + struct.pack("<I", len(contents)) + contents + bytes(len(contents) % 2)
