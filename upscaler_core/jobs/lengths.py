"""Reads the lengths of audio files ahead, in a process of its own, so that progress counts seconds and not files.

The process imports no torch, so it is there long before the first worker. A header that crashes a decoder ends it alone:
the lengths are for the display, and a file without one counts as an average one.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

MOST_FILES = 5_000
"""The first so many files are looked at. Their mean stands for the others."""


class LengthReader:
    """Reads lengths in the background. Use it as a context.

    Args:
        paths: audio files.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe(duplex=False)
        self._process = context.Process(target=_send_lengths, args=(theirs, paths[:MOST_FILES]), daemon=True)
        self._process.start()
        theirs.close()

    def __enter__(self) -> LengthReader:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.join()
        self._ours.close()

    def new(self) -> Iterator[tuple[Path, float]]:
        """The files that were read since the last call, with their lengths in seconds."""
        with contextlib.suppress(EOFError, OSError):
            while self._ours.poll():
                yield self._ours.recv()


def _send_lengths(connection: Connection, paths: Sequence[Path]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with open(os.devnull, "wb") as null:  # noqa: PTH123 - decoders print to the descriptor
        os.dup2(null.fileno(), 2)
    import soundfile

    with contextlib.suppress(OSError):
        for path in paths:
            with contextlib.suppress(RuntimeError, ValueError, TypeError):
                if path.is_file():  # opening a pipe would wait for its other end
                    connection.send((path, soundfile.info(os.fspath(path)).duration))
