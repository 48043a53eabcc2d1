"""The entry point of the console script. It imports next to nothing before it shows a sign of life."""

from __future__ import annotations

import sys
from typing import Any

from upscaler_core.cli.starting import show_start

QUICK = {"check", "schema", "doctor", "plugins", "models"}
"""Commands that do not import torch first."""
SILENT = {"--help", "--quiet", "-q"}


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line."""
    words = sys.argv[1:] if arguments is None else arguments
    if words and not words[0].startswith("-") and words[0] not in QUICK and not SILENT.intersection(words):
        show_start()
    from upscaler_core.cli import application

    return application.main(arguments)
