"""The events of a run of many files, and the result of each file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from upscaler_core.jobs.manifest import Record
from upscaler_core.pipeline.events import Advanced, Finished, Planned, Started, Warned


@dataclass(frozen=True)
class Recorded:
    """A file's output is complete, and this record is to be written to the manifest."""

    source: Path
    record: Record


@dataclass(frozen=True)
class Skipped:
    """A file was left out: its output exists, or is recorded as made of it by the same pipeline."""

    source: Path
    target: Path
    earlier: Finished | None = field(default=None, compare=False)
    """What the manifest has of it from an earlier run."""


@dataclass(frozen=True)
class Failed:
    """A file could not be done, and its output is absent."""

    source: Path
    message: str
    exit_code: int


Result = Finished | Skipped | Failed
Event = Started | Planned | Advanced | Warned | Recorded | Result
OnEvent = Callable[[Event], None]
