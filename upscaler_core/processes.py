"""Processes and locks: no code from the working directory, and one writer at a time."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from upscaler_core.errors import UsageError

ORPHANED = 1
"""The exit code of a process whose parent has ended."""


@contextlib.contextmanager
def safe_path() -> Iterator[None]:
    """Python processes that are started meanwhile import no modules from the working directory.

    `multiprocessing` starts its processes as `python -c …`. Python then looks for modules in the working directory first,
    and a `struct.py` among somebody's recordings would run.
    """
    name = "PYTHONSAFEPATH"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before


def end_with_parent() -> None:
    """End this process, which `multiprocessing` has started, as soon as its parent ends, for whatever reason."""
    from multiprocessing import parent_process
    from multiprocessing.connection import wait

    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(ORPHANED)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def locked(path: Path, refusal: str) -> Iterator[None]:
    """Hold a lock file, which is free again when this process ends, even if it is killed.

    Args:
        path: the lock file. It stays, empty.
        refusal: the sentence to say when another process holds the lock.

    Raises:
        UsageError: another process holds the lock.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(refusal) from None
    except (OSError, NotImplementedError):  # some network file systems have no locks
        yield
        return
    try:
        yield
    finally:
        lock.release()
