"""What decoders print by themselves. C libraries write to the process's standard error, past Python, some of them a lot."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import IO

MOST = 10_000
"""Bytes of messages that are looked at."""


class DecoderMessages:
    """Messages that were caught.

    Args:
        file: what they are appended to.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def take(self) -> str:
        """The first line since the last call, or an empty text. The others are thrown away."""
        self._file.seek(0)
        data = self._file.read(MOST)
        self._file.truncate(0)
        lines = [line.strip() for line in data.decode("utf-8", "replace").splitlines()]
        return next((line for line in lines if line), "")


@contextlib.contextmanager
def caught_messages() -> Iterator[DecoderMessages]:
    """A context in which descriptor 2 leads to a file, while Python's `sys.stderr` goes on to the terminal."""
    python, terminal = sys.stderr, os.dup(2)
    with tempfile.TemporaryFile(mode="a+b") as file:
        with contextlib.suppress(AttributeError, OSError, ValueError):  # no file: in a test, or in another program
            if python.fileno() == 2:
                python.flush()
                sys.stderr = open(terminal, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
        os.dup2(file.fileno(), 2)
        try:
            yield DecoderMessages(file)
        finally:
            os.dup2(terminal, 2)
            sys.stderr = python
            os.close(terminal)
