"""What happens while many files are done: the events of each file, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from upscaler_core.jobs.manifest import Record
from upscaler_core.pipeline.events import Advanced, Finished, Started, Warned


@dataclass(frozen=True)
class Recorded:
    """A file's output is whole, and this is to be kept of it in the manifest."""

    source: Path
    record: Record


@dataclass(frozen=True)
class Skipped:
    """A file was left out because its output exists, or was recorded as made of it by the same pipeline."""

    source: Path
    target: Path


@dataclass(frozen=True)
class Failed:
    """A file could not be done; its output is absent."""

    source: Path
    message: str
    exit_code: int


Result = Finished | Skipped | Failed
Event = Started | Advanced | Warned | Recorded | Result
OnEvent = Callable[[Event], None]
