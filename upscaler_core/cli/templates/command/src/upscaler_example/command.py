"""A command: the peak of audio files. Its options are those of a Typer function."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from upscaler_core import Options, discover
from upscaler_core.cli import run_app
from upscaler_core.files import open_recording

BLOCK = 65_536
"""Samples read at a time, so that memory does not grow with the file."""


class Peak:
    """The command."""

    def __init__(self, options: Options) -> None:
        del options

    def __call__(self, arguments: Sequence[str]) -> int:
        """Run with the words that follow its name; return the exit code."""
        return run_app(peaks, "example", arguments)


def peaks(
    files: Annotated[list[Path], typer.Argument(help="Audio files.")],
    linear: Annotated[bool, typer.Option(help="Print 0 … 1 instead of dBFS.")] = False,
) -> None:
    """Tell the peak of audio files."""
    for path in files:
        level = peak(path)
        typer.echo(f"{path}: {level:.4f}" if linear else f"{path}: {20 * math.log10(max(level, 1e-9)):.1f} dBFS")


def peak(path: Path) -> float:
    """The largest magnitude in a file, full scale 1.

    Raises:
        InputError: it cannot be read.
    """
    with open_recording(path, discover()) as source:
        return max((float(block.abs().max()) for block in source.blocks(BLOCK)), default=0.0)
