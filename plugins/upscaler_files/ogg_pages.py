"""The pages of an Ogg file: which of them belong to which stream, and what is wrong with them.

A file may hold several streams one after the other, as internet radio leaves them ("chained"), and several at a time, as
films do ("multiplexed"). libsndfile decodes the first one of a chain only. So the file is cut into its links here, and each
is decoded by itself. The layout of a page: RFC 3533, section 6.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from upscaler_files.guarded_file import Patch

_MIRROR = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_AUDIO = (b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"Speex   ")
_BEGINS, _ENDS = 2, 4  # flags of a stream's first and last page
_HEAD = 27  # bytes of a page before its lacing values
_FLAC_HEAD = 9  # bytes before FLAC's own first ones
_MOST_LOST = 1_000_000  # pages between two; beyond that the numbers are wrong
_OPUS_RATE = 48_000  # Hz: what Opus decodes to, whatever the original had


@dataclass
class Link:
    """The streams of one link of a chain; of them the first one with audio counts."""

    serial: bytes | None = None
    first: bytes = b""
    """The first page of the stream with audio."""
    ranges: list[tuple[int, int]] = field(default_factory=list)
    """Where its pages are."""
    ended: bool = False
    """Whether its last page says that it is the last one."""

    @property
    def patch(self) -> Patch:
        """Shows this stream alone, and an Opus stream with the rate that it is to be decoded at.

        The header of an Opus stream tells the rate that the original had, or nothing. That is for information only (RFC
        7845, section 5.1), but libsndfile decodes at that rate.
        """
        (start, end), *rest = self.ranges
        place = _HEAD + self.first[26] + 12
        page = bytearray(self.first)
        if not self.is_opus:
            return Patch(ranges=tuple(self.ranges))
        page[place : place + 4] = _OPUS_RATE.to_bytes(4, "little")
        page[22:26] = bytes(4)
        page[22:26] = checksum(page)
        start += len(page)
        return Patch(bytes(page), ranges=tuple([(start, end)] * (start < end) + rest))

    @property
    def is_opus(self) -> bool:
        """Whether it is Opus."""
        return self.first[_HEAD + self.first[26] :].startswith(b"OpusHead")

    @property
    def is_discrete(self) -> bool:
        """Whether its channels are those of no loudspeakers: an Opus stream of another mapping family than 0 and 1."""
        return self.is_opus and self.first[_HEAD + self.first[26] + 18 :][:1] not in (b"\0", b"\1")

    def add(self, page: bytes, start: int, end: int) -> None:
        """Take the next page of the audio stream. Of FLAC only the contents count, which libsndfile reads as a FLAC file."""
        self.ended = bool(page[5] & _ENDS)
        if b"\x7fFLAC" in self.first[: _HEAD + 9]:
            start += _HEAD + page[26] + _FLAC_HEAD * (not self.ranges)
        if self.ranges and self.ranges[-1][1] == start:
            self.ranges[-1] = self.ranges[-1][0], end
        else:
            self.ranges.append((start, end))


@dataclass
class OggFile:
    """All links of a file, in order."""

    links: list[Link] = field(default_factory=list)
    lost: int = 0
    """Pages of audio that are damaged or missing, by the numbers of those before and after."""
    complete: bool = True
    """Whether the last page says that it is the last one."""


def read_pages(file: BinaryIO) -> OggFile:
    """Find out what an Ogg file is made of."""
    result, link, begun, whole = OggFile(), Link(), False, True
    number, granule = 0, b""
    for start, end, page in _pages(file):
        whole = bool(page)
        if not whole:
            continue
        serial, begins = page[14:18], bool(page[5] & _BEGINS)
        if begins and begun:
            link = Link()
        begun = not begins
        if begins and link.serial is None and page[_HEAD + page[26] :].startswith(_AUDIO):
            link.serial, link.first = serial, page
            result.links.append(link)
        if serial != link.serial:
            continue
        stated = int.from_bytes(page[18:22], "little")
        if link.ranges and any(granule):  # a stream that was joined midway begins with its headers and goes on anywhere
            result.lost += max(0, min(stated - number - 1, _MOST_LOST))
        number, granule = stated, page[6:14]
        link.add(page, start, end)
    result.complete = whole and all(each.ended for each in result.links[-1:])
    return result


def _pages(file: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
    """Yield start, end and bytes of each page. Where something is damaged, the bytes are empty."""
    size, position = file.seek(0, io.SEEK_END), 0
    while position + _HEAD <= size:
        file.seek(position)
        head = file.read(_HEAD)
        lacing = file.read(head[26])
        page = head + lacing + file.read(sum(lacing))
        end = position + len(page)
        whole = head.startswith(b"OggS") and len(lacing) == head[26] and len(page) == _HEAD + head[26] + sum(lacing)
        if whole and checksum(page[:22] + bytes(4) + page[26:]) == page[22:26]:
            yield position, end, page
            position = end
            continue
        found = _find_page(file, position + 1, size)
        if found < size or head.startswith(b"OggS"):  # what follows the last page is no page
            yield position, found, b""
        position = found


def _find_page(file: BinaryIO, position: int, size: int) -> int:
    """Where the next page begins, or the end of the file."""
    while position < size:
        file.seek(position)
        data = file.read(1 << 20)
        found = data.find(b"OggS")
        if found >= 0:
            return position + found
        position += max(len(data) - 3, 1)
    return size


def checksum(page: bytes | bytearray) -> bytes:
    """The checksum of a page whose own checksum is zeros, as it stands in the file.

    It is zlib's CRC-32 with every byte's bits mirrored, and without the inversions before and after.
    """
    return (zlib.crc32(page.translate(_MIRROR), 0xFFFFFFFF) ^ 0xFFFFFFFF).to_bytes(4, "big").translate(_MIRROR)
