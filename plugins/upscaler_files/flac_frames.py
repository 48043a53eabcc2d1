"""The frames of a FLAC file, found by their headers.

libsndfile decodes as many samples as the first header states, and no more. So files that were joined, and a number that is
too small, would lose audio. Where frames are missing in the middle, it loses more than these. The frames' own numbers tell
where each belongs, and the checksum of a frame's header that it is one: RFC 9639, section 9.1.
"""

from __future__ import annotations

import io
import re
import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from upscaler_files.guarded_file import Patch

_BEGIN = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")
_SYNC = re.compile(rb"\xff[\xf8\xf9][\x10-\xfe][\x00-\xae]", re.DOTALL)
_MASK = re.compile(rb"WAVEFORMATEXTENSIBLE_CHANNEL_MASK=(0x[0-9a-f]{1,8})", re.IGNORECASE)
_HEAD = 16  # bytes of the longest frame header
_PIECE = 1 << 20  # bytes that are read at a time
_CANDIDATES = 64  # frames that do not fit what came before, and may be the first ones after a gap
_LONGEST_GAP = 1 << 24  # samples, where the header does not state more
_SIZES = {1: 192, **{code: 144 << code for code in range(2, 6)}, **{code: 1 << code for code in range(8, 16)}}


class _Frame(NamedTuple):
    place: int
    """Bytes from the file's start."""
    start: int
    """Its first sample."""
    end: int


@dataclass
class FlacRun:
    """Frames that follow one another without a gap."""

    info: bytes
    """STREAMINFO, 34 bytes."""
    lost: int = 0
    """Samples that are missing in front of it."""
    places: array[int] = field(default_factory=lambda: array("Q"))
    """Where each frame is."""
    starts: array[int] = field(default_factory=lambda: array("Q"))
    """Each frame's first sample."""
    end: int = 0
    """The sample after the last one."""
    stop: int = 0
    """Where the file, or the part of it that belongs together, ends."""

    @property
    def frames(self) -> int:
        """Samples of each channel."""
        return self.end - self.starts[0]

    @property
    def patch(self) -> Patch:
        """Shows these frames alone."""
        return self._from(0)

    def after(self, sample: int) -> tuple[Patch, int] | None:
        """Shows the frames that begin at `sample` or later, counted from the run's start, and says where they begin."""
        index = bisect_right(self.starts, self.starts[0] + sample - 1)
        return (self._from(index), self.starts[index] - self.starts[0]) if index < len(self.starts) else None

    def _from(self, index: int) -> Patch:
        count = self.end - self.starts[index]
        info = self.info[:13] + bytes((self.info[13] & 0xF0 | count >> 32,)) + struct.pack(">I", count & 0xFFFFFFFF)
        return Patch(b"fLaC\x80\x00\x00\x22" + info + bytes(16), ranges=((self.places[index], self.stop),))


@dataclass
class FlacFile:
    """All runs of a file, in order."""

    runs: list[FlacRun] = field(default_factory=list)
    promised: int = 0
    """Samples that the headers state in all; 0 where one does not."""
    bits: int = 0
    """Bits of a sample."""
    mask: str = ""
    """The loudspeakers, where a comment names them: a hexadecimal number."""

    @property
    def is_plain(self) -> bool:
        """Whether its first header tells all, so that libsndfile can read it as it is."""
        return len(self.runs) < 2 and not any(
            run.lost or (self.promised and run.end > self.promised) for run in self.runs
        )


def read_frames(file: BinaryIO) -> FlacFile:
    """Find the frames of a FLAC file."""
    begins = list(_begins(file))
    size = file.seek(0, io.SEEK_END)
    result, promises = FlacFile(mask=_mask(file, begins[0]) if begins else ""), list[int]()
    for begin, stop in zip(begins, [*begins[1:], size], strict=True):
        file.seek(begin + 8)
        info = file.read(34)
        if len(info) < 34:
            break
        promises.append(int.from_bytes(info[13:18], "big") & 0xFFFFFFFFF)
        result.bits = (int.from_bytes(info[12:14], "big") >> 4 & 31) + 1
        result.runs += _runs(file, info, begin + 42, stop)
    result.promised = sum(promises) if all(promises) else 0
    return result


def _begins(file: BinaryIO) -> Iterator[int]:
    """Where FLAC streams begin."""
    position, tail = 0, b""
    file.seek(0)
    while data := file.read(_PIECE):
        data = tail + data
        for match in _BEGIN.finditer(data):
            yield position - len(tail) + match.start()
        position += len(data) - len(tail)
        tail = data[-7:]
        file.seek(position)


def _mask(file: BinaryIO, begin: int) -> str:
    """What the comment WAVEFORMATEXTENSIBLE_CHANNEL_MASK says; empty where there is none. RFC 9639, 8.6.2."""
    position, last = begin + 4, False
    while not last:
        file.seek(position)
        head = file.read(4)
        if len(head) < 4:
            return ""
        last, length = bool(head[0] & 0x80), int.from_bytes(head[1:], "big")
        if head[0] & 0x7F == 4:
            found = _MASK.search(file.read(length))
            return found[1].decode() if found else ""
        position += 4 + length
    return ""


def _runs(file: BinaryIO, info: bytes, begin: int, stop: int) -> Iterator[FlacRun]:
    """The runs of frames of one stream. A frame that does not fit the one before counts if another fits it."""
    run = FlacRun(info, stop=stop)
    total = int.from_bytes(info[13:18], "big") & 0xFFFFFFFFF
    expected, strays = 0, dict[int, _Frame]()
    for frame in _frames(file, info, begin, stop):
        if frame.start != expected:
            before = strays.pop(frame.start, None)
            if before is None or not expected <= before.start <= max(total, expected + _LONGEST_GAP):
                if len(strays) >= _CANDIDATES:
                    strays.pop(next(iter(strays)))
                strays[frame.end] = frame
                continue
            if run.places:
                run.stop = before.place
                yield run
            begun = bool(run.places) or before.end <= total  # otherwise it was cut out of a longer stream
            run = FlacRun(info, begun * (before.start - expected), stop=stop)
            run.places.append(before.place)
            run.starts.append(before.start)
        run.places.append(frame.place)
        run.starts.append(frame.start)
        run.end = expected = frame.end
        strays.clear()
    if run.places:
        yield run


def _frames(file: BinaryIO, info: bytes, begin: int, stop: int) -> Iterator[_Frame]:
    """Whatever looks like a frame header."""
    position = begin
    while position < stop:
        file.seek(position)
        data = file.read(min(_PIECE, stop - position) + _HEAD)
        for match in _SYNC.finditer(data[: _PIECE + 3]):
            if frame := _parse(data[match.start() : match.start() + _HEAD], info, position + match.start()):
                yield frame
        position += _PIECE


def _parse(head: bytes, info: bytes, place: int) -> _Frame | None:
    """Read a frame header, if it fits the stream and its checksum is right."""
    if len(head) < 6 or head[2] & 15 == 15 or head[3] >> 1 & 7 == 3:
        return None
    channels = (info[12] >> 1 & 7) + 1
    assignment = head[3] >> 4
    if (assignment + 1 if assignment < 8 else 2) != channels:
        return None
    ones = f"{head[4]:08b}".find("0")
    length = max(ones, 1)  # of the frame's or sample's number, which is coded like UTF-8
    if ones in (1, -1) or len(head) < 4 + length + 5:
        return None
    number = head[4] & (0x7F >> ones)
    for byte in head[5 : 4 + length]:
        if byte & 0xC0 != 0x80:
            return None
        number = number << 6 | byte & 0x3F
    at, code = 4 + length, head[2] >> 4
    if code in (6, 7):
        count = int.from_bytes(head[at : at + code - 5], "big") + 1
        at += code - 5
    else:
        count = _SIZES[code]
    at += {12: 1, 13: 2, 14: 2}.get(head[2] & 15, 0)
    if at >= len(head) or _crc8(head[:at]) != head[at]:
        return None
    start = number if head[1] & 1 else number * int.from_bytes(info[:2], "big")
    return _Frame(place, start, start + count)


def _crc8(data: bytes) -> int:
    value = 0
    for byte in data:
        value = _CRC8[value ^ byte]
    return value


def _crc8_of(value: int) -> int:
    for _ in range(8):
        value = value << 1 ^ (0x107 if value & 0x80 else 0)
    return value


_CRC8 = bytes(_crc8_of(value) for value in range(256))
