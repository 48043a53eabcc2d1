"""Which decoded recordings the running trainings need, so that none removes what another one reads.

A training has two files in the cache: `NAME.used`, with a key in each line, and `NAME.lock`, which it holds until it ends.
If nobody holds the lock, the training has ended, and the next one removes both.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from filelock import FileLock, Timeout

NO_LOCKS = (OSError, NotImplementedError)
"""What is raised on file systems that have no locks."""


class CacheUse:
    """The keys that this process and others need.

    Args:
        folder: the cache.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._name = folder / f"{os.getpid()}-{time.time_ns()}"
        self._lock = FileLock(self._name.with_suffix(".lock"))

    def add(self, key: str) -> None:
        """Note that this process needs a recording until it ends."""
        if not self._lock.is_locked:
            self.folder.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(*NO_LOCKS):
                self._lock.acquire(timeout=0)
        with self._name.with_suffix(".used").open("a") as file:
            file.write(f"{key}\n")

    def keys(self) -> set[str]:
        """All keys that running trainings need."""
        keys: set[str] = set()
        for used in self.folder.glob("*.used"):
            lock = FileLock(used.with_suffix(".lock"))
            try:
                lock.acquire(timeout=0)
            except (Timeout, *NO_LOCKS):
                keys |= set(used.read_text(errors="replace").split())
            else:  # its training has ended
                used.unlink(missing_ok=True)
                lock.release()
                Path(lock.lock_file).unlink(missing_ok=True)
        return keys
