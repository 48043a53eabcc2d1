"""What a report is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from upscaler_core.jobs.events import Result

MARKS = ("<!-- upscaler report -->", "\ufefffile,status,decision,", '{\n  "version": 1,\n  "exit_code":')
"""How reports begin, so that only reports are replaced."""


@dataclass(frozen=True)
class Run:
    """A run, as reports tell of it."""

    results: Sequence[Result]
    names: Mapping[Path, str]
    """What the sources are called, by their paths."""
    summary: Mapping[str, Any]
    """The `--json` object."""
    elapsed: float
    """Seconds."""
    files: int
    """How many there were to do; more than there are results if the run was stopped."""
