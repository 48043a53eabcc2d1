"""The process of a trial, `python -m upscaler_tune.trial_process`: it runs `upscaler train`, and ends with its parent.

The parent holds the other end of standard input and never writes to it. When the parent ends, for whatever reason, this
process reads the end of the file, and ends too. A suspended parent does not end, but loses its trial to another process; the
child of that process waits until this one has ended.
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
"""Exit code after the parent has ended."""


def main() -> int:
    """Run `upscaler train` with this process's arguments; return its exit code."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    arguments = sys.argv[1:]
    with _lock(Path(arguments[arguments.index("--out") + 1])):
        return int(discover().build(Kind.COMMAND, "train")(arguments))


def _lock(folder: Path) -> IO[bytes]:
    """Wait until no other process trains into a folder. The lock ends with the returned file, or with this process."""
    file = (folder / "lock").open("wb")
    with contextlib.suppress(ImportError, OSError):  # Windows and some network file systems have no such lock
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)
    return file


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)
    os._exit(ORPHANED)


if __name__ == "__main__":
    sys.exit(main())
