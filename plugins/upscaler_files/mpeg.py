"""The frames of an MP3 file, counted.

An MP3 file normally begins with a frame that holds, instead of audio, the number of frames ("Xing", "Info" or "VBRI").
libsndfile reads that many and no more, whatever follows. Without the number it guesses the length from the first frame's
bit rate, and can lose a third of a file of variable bit rate. And it gives up at a damaged place of more than 1024 bytes. So
the frames are counted here. Files that were joined are taken apart, and what is no frame is left out.
"""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass, field
from functools import lru_cache
from typing import BinaryIO

from upscaler_files.guarded_file import Patch

_KBITS = {
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}  # MPEG 1, 2, 2.5
_SEARCH = 65_536  # bytes in which the first frame must begin
_PIECE = 1 << 20  # bytes that are read at a time
_LONGEST = 4_096  # bytes that a frame has at most, and some more
_SYNC = re.compile(rb"\xff[\xe2\xe3\xea\xeb\xf2\xf3\xfa\xfb]|ID3|TAG|APETAGEX")
_TAIL = 4_096  # bytes behind the last frame that nobody takes for lost audio


@dataclass(frozen=True)
class _Frame:
    """One layer III frame header."""

    length: int
    info: int
    """Position of a Xing or Info tag, bytes from the frame's start."""
    kind: bytes
    """The bits that are the same in all frames of a file: version, layer, rate, and whether it is mono."""


@lru_cache(maxsize=4_096)
def _parse(head: bytes) -> _Frame | None:
    """What a frame's first four bytes say; None where no frame of layer III begins."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return None
    version, index, rate = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or index in (0, 15) or rate == 3:
        return None
    first = version == 3
    kbits = _KBITS[1 if first else 2][index]
    length = (144_000 if first else 72_000) * kbits // _RATES[version][rate] + (head[2] >> 1 & 1)
    mono = head[3] >> 6 == 3
    side = (17 if mono else 32) if first else (9 if mono else 17)
    return _Frame(length, 4 + side, bytes((head[1] & 0xFE, head[2] & 0x0C, mono)))


@dataclass
class Mp3Part:
    """A run of frames that belong together, as one encoder wrote them."""

    kind: bytes
    head: bytes
    """The first frame's header."""
    stated: bytes
    """The frame that states the number of frames; empty where there is none."""
    count_at: int = 0
    """Where in it the number stands."""
    frames: int = 0
    """Frames of audio that are there."""
    ranges: list[tuple[int, int]] = field(default_factory=list)
    """Where they are."""

    @property
    def promised(self) -> int | None:
        """How many frames there are, according to the first one."""
        return int.from_bytes(self.stated[self.count_at : self.count_at + 4], "big") if self.count_at else None

    @property
    def patch(self) -> Patch:
        """Shows the frames alone, with their right number in front if no frame states it, or one states too few.

        Of an encoder's own frame the rest is kept, because players find there what is to be cut at both ends.
        """
        ranges = tuple(self.ranges)
        if self.promised is None:
            size = sum(end - start for start, end in ranges)
            return Patch(_count_frame(self.head, self.frames, size), ranges=ranges)
        if self.promised >= self.frames:
            return Patch(self.stated, ranges=ranges)
        count = struct.pack(">I", self.frames)
        return Patch(self.stated[: self.count_at] + count + self.stated[self.count_at + 4 :], ranges=ranges)


@dataclass
class Mp3File:
    """All parts of a file, in order."""

    parts: list[Mp3Part] = field(default_factory=list)
    holes: int = 0
    """Places between frames that are no frames."""
    left_out: int = 0
    """Bytes in these places."""


def read_frames(file: BinaryIO) -> Mp3File:
    """Find the frames of an MP3 file, from the first one on. Whatever is not MPEG layer III has no parts."""
    reader = _Reader(file)
    result, position = Mp3File(), 0
    hole = 0  # bytes since the last frame that are neither frames nor tags
    while position + 4 <= reader.size:
        if length := tag_length(reader.bytes_at(position, 32)):
            position += length
            continue
        frame = _parse(reader.bytes_at(position, 4))
        part = result.parts[-1] if result.parts else None
        follows = frame is not None and part is not None and not hole and frame.kind == part.kind
        if frame is None or not (follows or _is_followed(reader, position, frame)):
            if part is None and position > _SEARCH:
                break
            step = reader.find_sync(position + 1) - position
            hole, position = hole + step, position + step
            continue
        if hole and part:
            result.holes, result.left_out = result.holes + 1, result.left_out + hole
        hole = 0
        end = position + frame.length
        count_at = _place_of_count(reader.bytes_at(position, min(frame.length, 200)), frame)
        if part is None or count_at or frame.kind != part.kind:
            head = reader.bytes_at(position, 4)
            result.parts.append(
                part := Mp3Part(frame.kind, head, reader.bytes_at(position, frame.length) * bool(count_at))
            )
            part.count_at = count_at
        if not count_at:
            part.frames += end <= reader.size
            end = min(end, reader.size)
            if part.ranges and part.ranges[-1][1] == position:
                part.ranges[-1] = part.ranges[-1][0], end
            else:
                part.ranges.append((position, end))
        position += frame.length
    if hole > _TAIL and result.parts:
        result.holes, result.left_out = result.holes + 1, result.left_out + hole
    result.parts = [part for part in result.parts if part.frames]
    return result


class _Reader:
    """Reads a file in large pieces, forward."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, io.SEEK_END)
        self._base, self._data = 0, b""

    def bytes_at(self, position: int, count: int) -> bytes:
        """`count` bytes, fewer at the end of the file."""
        at = position - self._base
        if at < 0 or at + count > len(self._data):
            self._file.seek(position)
            self._base, self._data, at = position, self._file.read(_PIECE), 0
        return self._data[at : at + count]

    def find_sync(self, position: int) -> int:
        """Where the next frame may begin, or a tag; the end of the file if nowhere."""
        while position < self.size:
            self.bytes_at(position, _LONGEST)
            if found := _SYNC.search(self._data, position - self._base):
                return self._base + found.start()
            position = self._base + max(len(self._data) - 7, position - self._base + 1)
        return self.size


def _is_followed(reader: _Reader, position: int, frame: _Frame) -> bool:
    """Whether another frame of its kind follows, so that it is no accident."""
    after = _parse(reader.bytes_at(position + frame.length, 4))
    return after is not None and after.kind == frame.kind


def tag_length(head: bytes) -> int:
    """Bytes of a tag that begins so; 0 for anything else."""
    if head[:3] == b"ID3" and len(head) >= 10 and max(head[6:10]) < 0x80:
        return 10 + sum(byte << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
    if head[:3] == b"TAG":
        return 128
    if head[:8] == b"APETAGEX" and len(head) >= 24:
        header = int.from_bytes(head[20:24], "little") >> 29 & 1
        return 32 + int.from_bytes(head[12:16], "little") * header
    return 0


def _place_of_count(data: bytes, frame: _Frame) -> int:
    """Where in a frame the number of frames stands; 0 for a frame of audio."""
    if data[frame.info : frame.info + 4] in (b"Xing", b"Info") and data[frame.info + 7] & 1:
        return frame.info + 8
    return 36 + 14 if data[36:40] == b"VBRI" else 0


def _count_frame(head: bytes, frames: int, size: int) -> bytes:
    header = bytes((head[0], head[1] | 1, 0x90 | head[2] & 0x0C, head[3]))  # no CRC, a medium bit rate, no padding
    frame = _parse(header)
    assert frame is not None  # noqa: S101 - built from a frame that parsed
    tag = b"Xing" + struct.pack(">III", 3, frames, size)
    return (header + bytes(frame.info - 4) + tag).ljust(frame.length, b"\0")
