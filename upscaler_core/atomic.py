"""Files that are complete or absent: nothing half-written ever has a file's name."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from upscaler_core.errors import OutputError


class _Taken(OutputError):
    """Another process was faster."""


@contextlib.contextmanager
def atomic_write(target: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Yield a path to write to, which becomes `target` only when the body ends without an error.

    Where the file system allows it, the file has no name until then, so that even a killed process leaves nothing behind.
    Elsewhere the file is hidden, and removed after an error.

    Args:
        target: the file.
        overwrite: replace a file of that name. Otherwise one that appears meanwhile, from another process, is kept.

    Raises:
        OutputError: the folder cannot be made or written to, or the target exists and may not be replaced.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        nameless = _open_nameless(target.parent)
        hidden = target.parent / f".upscaler-{os.getpid()}-{time.monotonic_ns()}.part"
        try:
            yield Path(f"/proc/{os.getpid()}/fd/{nameless}") if nameless is not None else hidden
            if nameless is not None:
                os.fsync(nameless)
                # CPython calls linkat, which follows the link, only if it gets a folder's descriptor. It is not used here.
                os.link(f"/proc/self/fd/{nameless}", hidden, src_dir_fd=nameless, follow_symlinks=True)
            if overwrite:
                hidden.replace(target)
            else:
                _rename_exclusively(hidden, target)
        finally:
            hidden.unlink(missing_ok=True)
            if nameless is not None:
                os.close(nameless)
    except _Taken:
        raise
    except (OSError, OutputError) as error:
        raise OutputError(f"{target} cannot be written: {getattr(error, 'strerror', None) or error}") from error


def _rename_exclusively(path: Path, target: Path) -> None:
    """Rename a file to a name that is free. Of two processes that do this at once, one gets the error `_Taken`."""
    try:
        try:
            target.hardlink_to(path)
        except FileExistsError:
            raise
        except (OSError, NotImplementedError):  # a file system without links, such as FAT
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            path.replace(target)  # if this fails, an empty file remains: the name may be another process's by now
    except FileExistsError:
        raise _Taken(f"{target} exists now: another process wrote it meanwhile, and it was kept") from None


def _open_nameless(folder: Path) -> int | None:
    """The descriptor of a new file without a name; None where the system or the file system has no such files."""
    flag = getattr(os, "O_TMPFILE", None)
    if flag is None or not Path("/proc/self/fd").is_dir():
        return None
    try:
        return os.open(folder, flag | os.O_RDWR, 0o666)
    except OSError:
        return None
