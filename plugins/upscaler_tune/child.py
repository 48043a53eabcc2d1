"""A trial's process: `python -m upscaler_tune.child` trains as `upscaler train` does, and ends with its parent.

The parent holds the other end of standard input and never writes: when it is gone, however it went, this end reads its
end of file. A parent that is only suspended loses its trial to another, whose child then waits for this one's to end.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from pathlib import Path
from typing import IO

from upscaler_core import Kind, discover

ORPHANED = 1


def main() -> int:
    """Train by the words of `upscaler train`; return its exit code."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    words = sys.argv[1:]
    with _alone_in(Path(words[words.index("--out") + 1])):
        return int(discover().build(Kind.COMMAND, "train")(words))


def _alone_in(folder: Path) -> IO[bytes]:
    """Wait until no other trains into a folder; the lock is the returned file's, and ends with this process."""
    file = (folder / "lock").open("wb")
    with contextlib.suppress(ImportError, OSError):  # not on Windows, nor on every network's disk
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)
    return file


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)
    os._exit(ORPHANED)


if __name__ == "__main__":
    sys.exit(main())
