"""The entry point, and a sign of life in the first moment: it takes seconds until torch is imported and a bar can move."""

from __future__ import annotations

import sys
from typing import Any

LONG = {"enhance", "run", "inspect", "evaluate"}
"""Commands that take a while before they have anything to show."""
SILENT = {"--help", "--quiet", "-q"}
TEXT = "Starting …\r"
"""The cursor returns to the line's beginning, so whatever comes next overwrites it."""
ERASE = "\r\x1b[2K"
"""To the beginning of the line, and clear it (ECMA-48)."""


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line. This is the entry point of the console script."""
    words = sys.argv[1:] if arguments is None else arguments
    if words and words[0] in LONG and not SILENT.intersection(words):
        _write(TEXT)
    from upscaler_core.cli import application

    return application.main(arguments)


def erase_start() -> None:
    """Take the sign of life away, before anything else is shown."""
    _write(ERASE)


def _write(text: str) -> None:
    if sys.stderr is not None and sys.stderr.isatty():
        sys.stderr.write(text)
        sys.stderr.flush()
