"""The length of an MP3 file that does not state it.

An MP3 file normally begins with a frame that holds, instead of audio, the number of frames ("Xing" or "Info"). Without it
libsndfile guesses the length from the first frame's bit rate, and reads no further. Of a file of variable bit rate it can
lose a third. So the frames of such a file are counted here, and it gets the frame that it lacks.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import BinaryIO

from upscaler_files.guarded_file import Patch

_KBITS = {
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}  # MPEG 1, 2, 2.5
_SEARCH = 65_536  # bytes in which the first frame must begin


@dataclass(frozen=True)
class _Frame:
    """One layer III frame header."""

    length: int
    info: int
    """Position of a Xing or Info tag, bytes from the frame's start."""
    kind: bytes
    """The bits that are the same in all frames of a file: version, layer, rate."""

    @classmethod
    def parse(cls, head: bytes) -> _Frame | None:
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
        return cls(length, 4 + side, bytes((head[1] & 0xFE, head[2] & 0x0C)))


def count_filled_in(file: BinaryIO) -> Patch:
    """The patch that puts the missing frame before an MP3 file's first audio frame. Tags in front of that are left out.

    An MP3 file that states its number of frames, and whatever is not MPEG layer III, gets an empty patch.
    """
    file.seek(0)
    head = file.read(10)
    start = 0
    if head[:3] == b"ID3" and len(head) == 10:
        start = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
    file.seek(start)
    data = file.read(_SEARCH)
    for offset in range(max(len(data) - 4, 0)):
        if data[offset] != 0xFF or (frame := _Frame.parse(data[offset : offset + 4])) is None:
            continue
        after = _Frame.parse(data[offset + frame.length : offset + frame.length + 4])
        if after is None or after.kind != frame.kind:
            continue
        tags = data[offset + frame.info : offset + frame.info + 4], data[offset + 36 : offset + 40]
        if tags[0] in (b"Xing", b"Info") or tags[1] == b"VBRI":
            return Patch()
        frames, size = _count(file, start + offset, frame.kind)
        return Patch(_count_frame(data[offset : offset + 4], frames, size), start + offset)
    return Patch()


def _count(file: BinaryIO, position: int, kind: bytes) -> tuple[int, int]:
    """The numbers of frames and bytes from `position` on. What is no frame is searched for the next one."""
    first, frames = position, 0
    size = file.seek(0, io.SEEK_END)
    file.seek(position)
    base, data = position, b""
    while position + 4 <= size:
        if position + 4 > base + len(data):
            file.seek(position)
            base, data = position, file.read(1 << 20)
        at = position - base
        frame = _Frame.parse(data[at : at + 4])
        if frame is None or frame.kind != kind:
            sync = data.find(b"\xff", at + 1)
            position = base + (len(data) if sync < 0 else sync)
        else:
            frames += position + frame.length <= size
            position += frame.length
    return frames, size - first


def _count_frame(head: bytes, frames: int, size: int) -> bytes:
    header = bytes((head[0], head[1] | 1, 0x90 | head[2] & 0x0C, head[3]))  # no CRC, a medium bit rate, no padding
    frame = _Frame.parse(header)
    assert frame is not None  # noqa: S101 - built from a frame that parsed
    tag = b"Xing" + struct.pack(">III", 3, frames, size)
    return (header + bytes(frame.info - 4) + tag).ljust(frame.length, b"\0")
