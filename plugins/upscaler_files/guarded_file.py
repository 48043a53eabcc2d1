"""A Python file for libsndfile, through which no error is lost.

libsndfile calls back into Python to read and write. An exception that leaves such a callback is printed and forgotten,
and a full disk would end in a file that only looks complete. So the first exception is stored here, every later call
pretends to succeed, and whoever called libsndfile calls `check` afterwards.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import BinaryIO, NamedTuple


class Patch(NamedTuple):
    """A better beginning for a file whose own one is wrong or missing: `prefix` instead of the first `skip` bytes."""

    prefix: bytes = b""
    skip: int = 0


class GuardedFile:
    """Wraps `file`, which begins as the patch says. The patch's prefix is for reading only."""

    def __init__(self, file: BinaryIO, patch: Patch = Patch()) -> None:
        self._file = file
        self._prefix, self._skip = patch
        self._position = 0  # in the patched file
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
        if self._position < len(self._prefix):
            piece = self._prefix[self._position : self._position + len(buffer)]
            buffer[: len(piece)] = piece
            count = len(piece)
            self._seek(self._position + count, io.SEEK_SET)
        else:
            count = self._file.readinto(buffer)  # type: ignore[attr-defined]  # every binary file of open() has it
            self._position += count
        if 0 < count < len(buffer):  # libsndfile takes a short read for the end
            return count + self._read(buffer[count:])
        return int(count)

    def _write(self, data: bytes) -> int:
        self._file.write(data)
        self._position += len(data)
        return len(data)

    def _seek(self, offset: int, whence: int) -> int:
        shift = len(self._prefix) - self._skip
        if whence == io.SEEK_END:
            offset += self._file.seek(0, io.SEEK_END) + shift
        elif whence == io.SEEK_CUR:
            offset += self._position
        self._file.seek(max(offset - shift, 0))
        self._position = offset
        return offset
