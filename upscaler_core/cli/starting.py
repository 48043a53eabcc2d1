"""A sign of life in the first moment: it takes seconds until torch is imported and a bar can move."""

from __future__ import annotations

import sys

TEXT = "Starting …\r"
"""The cursor returns to the line's beginning, so whatever comes next overwrites it."""
ERASE = "\r\x1b[2K"
"""To the beginning of the line, and clear it (ECMA-48)."""


def show_start() -> None:
    """Show the sign of life on a terminal."""
    _write(TEXT)


def erase_start() -> None:
    """Take the sign of life away, before anything else is shown."""
    _write(ERASE)


def _write(text: str) -> None:
    if sys.stderr is not None and sys.stderr.isatty():
        sys.stderr.write(text)
        sys.stderr.flush()
