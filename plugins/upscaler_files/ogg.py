"""Writes Ogg Vorbis.

This module does three things that libsndfile leaves to its callers. libsndfile crashes at rates that Vorbis lacks. It passes
channels on in whatever order they come, and up to 48,000 Hz libvorbis takes the last one of six for the bass channel, of
which it keeps nothing else. And it gives every stream a random serial number.
"""

from __future__ import annotations

import zlib
from functools import partial
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from upscaler_core import AudioInfo
from upscaler_core.files import basic_tags, tag_ogg
from upscaler_files.channels import VORBIS_ORDER
from upscaler_files.encoder import SoundFileEncoder
from upscaler_files.exporter import FileExporter
from upscaler_files.ogg_pages import checksum
from upscaler_files.options import OggOptions

_HIGHEST = 192_000  # Hz; libvorbis has settings up to 200,000, and libsndfile crashes above


class OggExporter(FileExporter[OggOptions]):
    """Writes Ogg Vorbis files."""

    default_options = OggOptions
    lossy = True

    def refuse(self, rate: int, channels: int) -> str | None:
        """Why this pair cannot be written, and the nearest that can; None where it can."""
        if not 1 <= channels <= 8:
            return f"Ogg Vorbis is written with 1 to 8 channels, not {channels:,}: write WAV instead"
        if not 1 <= rate <= _HIGHEST:
            return f"Ogg Vorbis is written at up to {_HIGHEST:,} Hz, not {rate:,}: add -r {_HIGHEST}, or write FLAC"
        return None

    def encoder(self, file: BinaryIO, rate: int, channels: int, source: AudioInfo) -> SoundFileEncoder:
        """Encode by libsndfile, and add tags and serial number to the complete file."""
        return _OggEncoder(
            file, rate, channels, "OGG", "VORBIS", basic_tags(source),
            amend=partial(tag_ogg, source=source), compression_level=1 - self.options.quality / 10,
        )  # fmt: skip


class _OggEncoder(SoundFileEncoder):
    """Vorbis whose channels are put in its own order, and whose serial number follows from the audio."""

    _serial = 0

    def write(self, samples: NDArray[Any]) -> None:
        self._serial = zlib.crc32(samples.data, self._serial)
        order = VORBIS_ORDER.get(samples.shape[1])
        super().write(samples if order is None else np.take(samples, order, axis=1))

    def _complete(self) -> None:
        super()._complete()
        renumber(self._file, self._serial)


def renumber(file: BinaryIO, serial: int) -> None:
    """Give the one stream of a complete Ogg file this serial number, in each page with the page's checksum.

    libsndfile takes a random number, so that files can be concatenated. One that follows from the audio serves as well, and
    is the same in every run. The layout of a page: RFC 3533, section 6.
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
