"""The Ogg container (RFC 3533) of Opus (RFC 7845): what ffmpeg encoded, with all the tags and a serial number.

ffmpeg takes one value for a tag and no pictures, and gives every stream the number 0, or a random one. So its pages are
read and written again: the first one holds the head, the second the tags, which are replaced, all others hold audio.
Each page is

    OggS  version  flags  granule  serial  sequence  checksum  n  n lacing values  body

where a packet is as many lacing values of 255 as fit, and one below 255 that ends it.

>>> from io import BytesIO
>>> page = Page(2, 0, bytes([5]), b"hello")
>>> list(read(BytesIO(page.written(serial=7, sequence=0)))) == [page]
True
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import BinaryIO

from upscaler_core import OutputError

_HEAD = struct.Struct("<4sBBqIIIB")
_CONTINUED, _LAST = 1, 4
_MOST_LACING = 255
_UNFINISHED = -1  # the granule of a page on which no packet ends
_MIRROR = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True)
class Page:
    """One page, without what depends on its place in the file."""

    flags: int
    granule: int
    lacing: bytes
    body: bytes

    def written(self, serial: int, sequence: int) -> bytes:
        """The page as it stands in a file, with its checksum."""
        fields = (b"OggS", 0, self.flags, self.granule, serial, sequence)
        rest = self.lacing + self.body
        blank = _HEAD.pack(*fields, 0, len(self.lacing)) + rest
        return _HEAD.pack(*fields, _checksum(blank), len(self.lacing)) + rest


def retag(encoded: BinaryIO, target: BinaryIO, tags: bytes, serial: int) -> None:
    """Copy a stream with another comment packet and serial number.

    Raises:
        OutputError: the stream has no end.
    """
    pages = read(encoded)
    head = list(islice(pages, 2))[:1]
    flags = 0
    for sequence, page in enumerate(chain(head, paginate(tags), pages)):
        flags = page.flags
        target.write(page.written(serial, sequence))
    if not flags & _LAST:
        raise OutputError("ffmpeg's file has no end")


def read(file: BinaryIO) -> Iterator[Page]:
    """Yield the pages from here on, without one that is cut off."""
    while len(head := file.read(_HEAD.size)) == _HEAD.size:
        _, _, flags, granule, _, _, _, segments = _HEAD.unpack(head)
        lacing = file.read(segments)
        yield Page(flags, granule, lacing, file.read(sum(lacing)))


def paginate(packet: bytes) -> Iterator[Page]:
    """A header packet on as many pages as it takes.

    >>> [(page.flags, page.granule, len(page.body)) for page in paginate(bytes(70_000))]
    [(0, -1, 65025), (1, 0, 4975)]
    """
    full, rest = divmod(len(packet), _MOST_LACING)
    lacing = bytes([_MOST_LACING] * full + [rest])
    for first in range(0, len(lacing), _MOST_LACING):
        values = lacing[first : first + _MOST_LACING]
        body = packet[first * _MOST_LACING :][: sum(values)]
        ends = values[-1] < _MOST_LACING
        yield Page(_CONTINUED if first else 0, 0 if ends else _UNFINISHED, values, body)


def comment_packet(vendor: str, comments: Mapping[str, Iterable[str]]) -> bytes:
    """The packet `OpusTags`, RFC 7845, 5.2: `NAME=text` for each value of each name."""
    texts = [f"{name}={value}".encode() for name, values in comments.items() for value in values]
    return b"OpusTags" + _counted(vendor.encode()) + len(texts).to_bytes(4, "little") + b"".join(map(_counted, texts))


def _counted(text: bytes) -> bytes:
    return len(text).to_bytes(4, "little") + text


def _checksum(page: bytes) -> int:
    """CRC-32 of polynomial 0x04C11DB7: zlib's, with all bits mirrored and without its inversions at begin and end."""
    crc = zlib.crc32(page.translate(_MIRROR), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(crc.to_bytes(4, "big").translate(_MIRROR), "little")
