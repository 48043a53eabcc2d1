"""What happens while one file goes through a pipeline, as plain records: whoever shows progress turns them into bars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Started:
    """Work on a file began."""

    source: Path
    seconds: float | None
    """Length, where the header knows it."""
    passes: int
    """How often the file will be read: a survey and the work itself, or the work alone."""


@dataclass(frozen=True)
class Advanced:
    """So many more seconds of a file were read in this pass."""

    source: Path
    seconds: float


@dataclass(frozen=True)
class Warned:
    """Something the user should know; the work goes on."""

    source: Path
    message: str


@dataclass(frozen=True)
class Finished:
    """A file is done, and this is what came of it."""

    source: Path
    target: Path
    rate_in: int
    rate_out: int
    """Hz."""
    channels: int
    seconds: float
    """Length of the source."""
    frames: int = 0
    """Samples a channel written."""
    cutoff_hz: float | None = None
    """Where the source's content ends; None where nobody asked."""
    added: bool = False
    """Whether the models added anything."""
    note: str = ""
    """Why they did not; empty where they did."""
    clipped: int = 0
    """Samples clamped at full scale."""
    limited_db: float = 0.0
    """How far down limiters turned it at most, dB."""
    limited_share: float = 0.0
    """For which part of the time they did, 0 … 1."""
    elapsed: float = 0.0
    """Wall-clock seconds."""
    warnings: tuple[str, ...] = ()


Progress = Started | Advanced | Warned
OnProgress = Callable[[Progress], None]


def ignore(event: object) -> None:
    """Take no notice of an event."""
