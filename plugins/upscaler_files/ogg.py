"""Writes Ogg Vorbis.

Three things that libsndfile leaves to its callers are seen to here. It crashes at rates that Vorbis lacks. It passes
channels on in whatever order they come, and up to 48,000 Hz libvorbis takes the last one of six for the bass channel, of
which it keeps nothing else. And it gives every stream a random serial number.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from upscaler_core import AudioInfo, OutputError
from upscaler_files import tags
from upscaler_files.channels import VORBIS_ORDER
from upscaler_files.encoder import SoundFileEncoder
from upscaler_files.lossy import LossySink
from upscaler_files.options import OggOptions
from upscaler_files.sink import FileSink, carried_tags

_HIGHEST = 192_000  # Hz; libvorbis has settings up to 200,000, and libsndfile crashes above
_MIRROR = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class OggExporter:
    """Writes Ogg Vorbis files."""

    def __init__(self, options: OggOptions | None = None) -> None:
        self._options = options or OggOptions()

    def refuse(self, rate: int, channels: int) -> str | None:
        """Why this pair cannot be written, and the nearest that can; None where it can."""
        if not 1 <= channels <= 8:
            return f"Ogg Vorbis is written with 1 to 8 channels, not {channels:,}: write WAV instead"
        if not 1 <= rate <= _HIGHEST:
            return f"Ogg Vorbis is written at up to {_HIGHEST:,} Hz, not {rate:,}: add -r {_HIGHEST}, or write FLAC"
        return None

    def open(self, path: Path, rate: int, channels: int, source: AudioInfo | None = None, seed: int = 0) -> FileSink:
        """Open `path` for writing; see `LossySink`.

        Raises:
            OutputError: this pair of rate and channels, or the path, cannot be written.
        """
        if reason := self.refuse(rate, channels):
            raise OutputError(reason)
        level = 1 - self._options.quality / 10
        text, amend = carried_tags(source), tags.into_ogg(source)
        return LossySink(path, channels, lambda file: _OggEncoder(file, rate, channels, level, text, amend), None)


class _OggEncoder(SoundFileEncoder):
    """Vorbis whose channels are put in its own order, and whose serial number follows from the audio."""

    def __init__(
        self,
        file: BinaryIO,
        rate: int,
        channels: int,
        level: float,
        text: dict[str, str],
        amend: Callable[[BinaryIO], None] | None,
    ) -> None:
        super().__init__(file, rate, channels, "OGG", "VORBIS", text, amend=amend, compression_level=level)
        self._order = VORBIS_ORDER.get(channels)
        self._serial = 0

    def write(self, samples: NDArray[Any]) -> None:
        self._serial = zlib.crc32(samples.data, self._serial)
        super().write(samples if self._order is None else np.take(samples, self._order, axis=1))

    def _amended(self) -> None:
        super()._amended()
        renumber(self._file, self._serial)


def renumber(file: BinaryIO, serial: int) -> None:
    """Give the one stream of a complete Ogg file this serial number, in each page with the page's checksum.

    libsndfile draws the number at random, so that files can be strung together; one that follows from the audio does as
    well. The layout of a page: RFC 3533, section 6.
    """
    position = 0
    file.seek(0)
    while (head := file.read(27)).startswith(b"OggS"):
        lacing = file.read(head[26])
        page = bytearray(head + lacing + file.read(sum(lacing)))
        page[14:18] = serial.to_bytes(4, "little")
        page[22:26] = bytes(4)
        page[22:26] = checksum(page)
        file.seek(position)
        file.write(page[:26])
        position += len(page)
        file.seek(position)


def checksum(page: bytes | bytearray) -> bytes:
    """The checksum of a page whose own checksum is zeros, as it stands in the file.

    It is zlib's CRC-32 with every byte's bits mirrored, and without the inversions before and after.
    """
    return (zlib.crc32(page.translate(_MIRROR), 0xFFFFFFFF) ^ 0xFFFFFFFF).to_bytes(4, "big").translate(_MIRROR)
