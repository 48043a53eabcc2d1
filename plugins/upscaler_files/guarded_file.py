"""A Python file for libsndfile, through which no error is lost.

libsndfile calls back into Python to read and write. An exception that leaves such a callback is printed and forgotten,
and a full disk would end in a file that only looks complete. So the first exception is stored here, every later call
pretends to succeed, and whoever called libsndfile calls `check` afterwards.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate
from typing import BinaryIO, NamedTuple

_FARTHEST = 1 << 43  # bytes; wrong headers lead libsndfile beyond what a file system takes


class Patch(NamedTuple):
    """What libsndfile gets to see of a file: `prefix` instead of the first `skip` bytes, and then the rest.

    Where there are `ranges`, only these follow the prefix: (start, end) in the file, in ascending order and not empty.
    """

    prefix: bytes = b""
    skip: int = 0
    ranges: tuple[tuple[int, int], ...] | None = None


WHOLE = Patch()
"""Shows a file as it is."""


class GuardedFile:
    """Wraps `file`, of which only what the patch says is visible. Prefix and ranges are for reading only."""

    def __init__(self, file: BinaryIO, patch: Patch = WHOLE) -> None:
        self._file = file
        self._prefix, self._skip, self._ranges = patch
        self._ends = list(accumulate(end - start for start, end in self._ranges or ()))  # within all ranges
        self._position = 0  # in what is visible
        self._error: BaseException | None = None

    def check(self) -> None:
        """Raise the first exception of a callback, if there was one."""
        if self._error is not None:
            raise self._error

    def readinto(self, buffer: memoryview) -> int:
        """Fill `buffer` from the position; 0 at the end, and after an error."""
        return self._call(lambda: self._read(memoryview(buffer).cast("B")), otherwise=0)

    def write(self, data: bytes) -> int:
        """Write `data` at the position. After an error it is dropped."""
        return self._call(lambda: self._write(data), otherwise=len(data))

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the position."""
        return self._call(lambda: self._seek(offset, whence), otherwise=0)

    def tell(self) -> int:
        """The position, bytes."""
        return self._position

    def _call(self, action: Callable[[], int], otherwise: int) -> int:
        if self._error is not None:
            return otherwise
        try:
            return action()
        except BaseException as error:  # noqa: BLE001 - Ctrl-C, too, would be lost in the callback
            self._error = error
            return otherwise

    def _read(self, buffer: memoryview) -> int:
        """Fill `buffer` as far as there is anything. libsndfile takes a short read for the end."""
        filled = 0
        while filled < len(buffer):
            count = self._read_piece(buffer[filled:])
            if not count:
                break
            filled += count
        return filled

    def _read_piece(self, buffer: memoryview) -> int:
        """Read from one place of the file."""
        rest = self._position - len(self._prefix)
        if rest < 0:
            piece = self._prefix[max(self._position, 0) :][: len(buffer)]
            buffer[: len(piece)] = piece
            self._seek(max(self._position, 0) + len(piece), io.SEEK_SET)
            return len(piece)
        if self._ranges is not None:
            index = bisect_right(self._ends, rest)
            if index == len(self._ranges):
                return 0
            end = self._ranges[index][1]
            self._file.seek(end - (self._ends[index] - rest))
            buffer = buffer[: self._ends[index] - rest]
        count = self._file.readinto(buffer)  # type: ignore[attr-defined]  # every binary file of open() has it
        self._position += count
        return int(count)

    def _write(self, data: bytes) -> int:
        self._file.write(data)
        self._position += len(data)
        return len(data)

    def _seek(self, offset: int, whence: int) -> int:
        shift = len(self._prefix) - self._skip
        if whence == io.SEEK_CUR:
            offset += self._position
        elif whence == io.SEEK_END and self._ranges is not None:
            offset += len(self._prefix) + sum(self._ends[-1:])
        elif whence == io.SEEK_END:
            offset += self._file.seek(0, io.SEEK_END) + shift
        offset = min(offset, _FARTHEST)
        if self._ranges is None:  # otherwise reading finds the place
            self._file.seek(max(offset - shift, 0))
        self._position = offset
        return offset
