"""The length in a file's header, where libsndfile handles it badly.

If a header promises more audio than there is, libsndfile silently reads what is there. It takes a file whose length was
never written, because it went through a pipe or the recorder died, for an empty one. And it refuses a CAF file that is cut
off. So the chunk headers are read here once more: RIFF, RIFX, RF64, Wave64, AIFF, IFF, CAF, Sun AU, and the end mark of Ogg
streams.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO, Literal

from upscaler_files.guarded_file import Patch

_UNKNOWN = {0, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF}  # sizes in a header that was never completed
_LAST_PAGE = 65_307  # bytes of the longest Ogg page
_MOST_CHUNKS = 10_000  # before the audio; a file of zeros would be a chunk every eight bytes
_LONGEST_PREFIX = 1 << 20  # bytes of a header that is replaced


def missing_bytes(file: BinaryIO) -> int:
    """Bytes of audio that the header promises and the file lacks; 0 where it lacks none, or the header promises nothing.

    One missing byte does not count: writers disagree on whether the pad byte of an odd chunk counts.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(40)
    wide = None  # RF64 keeps the true size in its ds64 chunk
    if head[:4] in (b".snd", b"dns.") and len(head) >= 12:
        start, length = struct.unpack(">II" if head[:4] == b".snd" else "<II", head[4:12])
        return _excess(start, length, size)
    for name, start, length in _chunks(file, head, size):
        if name == b"ds64":
            file.seek(start + 8)
            wide = int.from_bytes(file.read(8), "little")
        elif name in (b"data", b"SSND", b"BODY"):
            return _excess(start, wide if wide is not None and length == 0xFFFFFFFF else length, size)
    return 0


def length_filled_in(file: BinaryIO) -> Patch:
    """The patch that states the true length of a WAV or RF64 file without one, or of a CAF file that is cut off.

    For any other file it is empty. (A CAF file of unwritten length states that, and can be read as it is.)
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(12)
    if head[:4] not in (b"RIFF", b"RIFX", b"RF64", b"caff"):
        return Patch()
    order: Literal["big", "little"] = "big" if head[:4] in (b"RIFX", b"caff") else "little"
    field = None  # where the length of the data stands, and its width in bytes
    for name, start, length in _chunks(file, head, size):
        if name == b"ds64":
            file.seek(start + 8)
            if not any(file.read(8)):
                field = start + 8, 8
        elif name == b"data":
            if head[:4] == b"caff":
                field = (start - 8, 8) if start + length > size else None
            elif length == 0:
                field = start - 4, 4
            unwritten = head[:4] == b"caff" or (length in _UNKNOWN and not _is_chunks(file, head, start, size))
            if field is None or not unwritten or start > _LONGEST_PREFIX:
                break
            file.seek(0)
            begin = bytearray(file.read(start))
            value = min(size - start, 0xFFFFFFFF) if field[1] == 4 else size - start
            begin[field[0] : sum(field)] = value.to_bytes(field[1], order)
            return Patch(bytes(begin), start)
    return Patch()


def _is_chunks(file: BinaryIO, head: bytes, position: int, size: int) -> bool:
    """Whether only named chunks are between `position` and the end. Then the data really are empty."""
    for name, start, length in _chunks(file, head, size, position):
        if not name.decode("latin-1").isprintable() or b"\0" in name:
            return False
        position = start + length + length % 2
    return position >= size


def lacks_end_mark(file: BinaryIO) -> bool:
    """Whether this is an Ogg stream whose last page is cut, or does not say that it is the last."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if file.read(4) != b"OggS":
        return False
    file.seek(max(0, size - 2 * _LAST_PAGE))
    tail = file.read()
    page = tail.rfind(b"OggS")
    segments = tail[page + 26] if 0 <= page < len(tail) - 26 else 0
    length = 27 + segments + sum(tail[page + 27 : page + 27 + segments])
    return page < 0 or len(tail) < page + max(length, 27) or not tail[page + 5] & 4


def _excess(start: int, length: int, size: int) -> int:
    missing = start + length - size
    return missing if length not in _UNKNOWN and missing > 1 else 0


def _chunks(file: BinaryIO, head: bytes, size: int, begin: int = 0) -> Iterator[tuple[bytes, int, int]]:
    """Yield (name, position of the contents, their length) of an IFF-like file's chunks, from `begin` or the first."""
    if head[:4] in (b"RIFF", b"RF64"):
        position, layout, align = 12, "<4sI", 2
    elif head[:4] in (b"RIFX", b"FORM"):
        position, layout, align = 12, ">4sI", 2
    elif head[:4] == b"riff":  # Wave64: names of 16 bytes, lengths that include the chunk's own header
        position, layout, align = 40, "<16sQ", 8
    elif head[:4] == b"caff":
        position, layout, align = 8, ">4sq", 1
    else:
        return
    position = begin or position
    width = struct.calcsize(layout)
    for _ in range(_MOST_CHUNKS):
        if position + width > size:
            return
        file.seek(position)
        name, length = struct.unpack(layout, file.read(width))
        contents = length - width if align == 8 else length
        if contents < 0:
            return
        yield name[:4], position + width, contents
        position += width + contents + -contents % align
