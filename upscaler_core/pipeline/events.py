"""What happens while one file goes through a pipeline, as plain records. Progress displays turn them into bars."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

Stage = str
"""A kind of work on a file: `survey` measures its bandwidth, `write` resamples and writes it, `lower` writes it once more,
lowered, and each other one is what models do at one of their rates, such as `restore at 48 kHz`."""

FULL_BAND_HZ = 19_000
"""A source whose content reaches this frequency, Hz, is full band: few people hear what could be added."""
MOST_SILENCED = 0.05
"""The share of a source that may be silence because of damage before it counts as damaged."""


@dataclass(frozen=True)
class Started:
    """Work on a file has begun."""

    source: Path
    seconds: float | None
    """Length, where the header says it."""
    passes: int
    """How often the file will be read: 2 where its bandwidth is measured first, otherwise 1."""


@dataclass(frozen=True)
class Planned:
    """It is decided what is done with a file."""

    source: Path
    seconds: Mapping[Stage, float]
    """Seconds of audio that each stage has to do, including those that are done already. Models do each channel by itself,
    so they have as many times more to do."""


@dataclass(frozen=True)
class Advanced:
    """A stage has done more of a file."""

    source: Path
    seconds: float
    """Length of what it has done since its last such event."""
    stage: Stage = "write"


@dataclass(frozen=True)
class Warned:
    """The user should know this; the work goes on."""

    source: Path
    message: str


@dataclass(frozen=True)
class SegmentResult:
    """What became of a part of a file in which the content ends at one frequency. It ends where the next one starts."""

    start_s: float
    """Where it starts, seconds."""
    cutoff_hz: float
    """Where its content ends."""
    confidence: float
    """The probability, 0 … 1, that this is right."""
    added: bool
    """Whether the models added anything."""
    sure: bool = True
    """Whether the confidence is not low (`dsp.LOW_CONFIDENCE`)."""
    cause: str = "unknown"
    """Why its content ends there (`dsp.Bandwidth.cause`)."""
    codec: str = ""
    """The codec that it was probably coded with; empty where that is not known."""


@dataclass(frozen=True)
class Finished:
    """A file is done."""

    source: Path
    target: Path
    rate_in: int
    rate_out: int
    """Hz."""
    channels: int
    seconds: float
    """Length of the source."""
    frames: int = 0
    """Samples of each channel that were written."""
    cutoff_hz: float | None = None
    """Where the source's content ends; None where it was not needed. Of several segments it is that of the one that ends
    lowest, among those to which the models added something if there are any."""
    confidence: float | None = None
    """The least confidence in a segment's cut-off, 0 … 1; None where none was needed."""
    segments: tuple[SegmentResult, ...] = ()
    """The source's parts, in order of time; empty where no cut-off was needed."""
    added: bool = False
    """Whether the models added anything, at least to one segment."""
    above_replaced: bool = False
    """Whether what the source had above its edge was taken away first, at least in one segment."""
    note: str = ""
    """Why the models added nothing; empty where they did."""
    clipped: int = 0
    """Samples clamped at full scale."""
    lowered_db: float = 0.0
    """By how much the whole file was lowered so that nothing clips, dB."""
    limited_db: float = 0.0
    """Largest gain reduction by limiters, dB."""
    limited_share: float = 0.0
    """Share of the time in which limiters reduced the gain, 0 … 1."""
    elapsed: float = 0.0
    """Wall-clock seconds."""
    warnings: tuple[str, ...] = ()
    not_carried: tuple[str, ...] = ()
    """What the source holds beside its audio and the output does not, such as `broadcast data (bext)`. A warning
    names it."""
    damage: str = ""
    """What is missing or broken in the source, a sentence without a full stop; empty for an intact one."""
    silenced_share: float = 0.0
    """The share of the source that could not be decoded and is silence now, 0 … 1."""

    @property
    def damaged(self) -> bool:
        """Whether so much was lost that somebody has to look after it."""
        return self.silenced_share > MOST_SILENCED


def finished_from(source: Path, target: Path, data: Mapping[str, Any]) -> Finished:
    """A result from what `dataclasses.asdict` made of it, after a way through JSON. What is unknown here is left out.

    Raises:
        TypeError, KeyError: something is missing.
    """
    names = {field.name for field in fields(Finished)} - {"source", "target", "segments"}
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in data.items() if name in names
    }
    known = {field.name for field in fields(SegmentResult)}
    segments = tuple(
        SegmentResult(**{name: value for name, value in segment.items() if name in known})
        for segment in data.get("segments", ())
    )
    return Finished(source, target, **values, segments=segments)


Progress = Started | Planned | Advanced | Warned
OnProgress = Callable[[Progress], None]


def ignore(event: object) -> None:
    """Ignore an event."""
