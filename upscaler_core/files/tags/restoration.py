"""The tag of a file that this toolkit made: by which version and pipeline, and above which frequency something was restored.

Nobody takes a restored file for an original then. It depends on nothing else, so the same input gives the same bytes.

>>> Restoration.parse("ai-audio-upscaler 0.2.0; restored above 7.8 kHz; restore")
Restoration(program='ai-audio-upscaler 0.2.0', above_hz=7800.0, pipeline='restore')
>>> Restoration.parse("ai-audio-upscaler 0.2.0; baseline").above_hz is None
True
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version

from upscaler_core.files.tags.names import RESTORED
from upscaler_core.plugins.protocols import AudioInfo
from upscaler_core.plugins.registry import DISTRIBUTION

NAME = "enhanced_by"
"""The tag's name, as Vorbis comments have it."""


@dataclass(frozen=True)
class Restoration:
    """What the tag says."""

    program: str
    """Name and version."""
    above_hz: float | None
    """Where the source's own content ends; None where nothing was added."""
    pipeline: str
    """The name of the preset or the pipeline file; of a pipeline without a name, the names of its models."""

    def __str__(self) -> str:
        restored = "" if self.above_hz is None else f"restored above {self.above_hz / 1000:.1f} kHz"
        return "; ".join(filter(None, (self.program, restored, self.pipeline)))

    @classmethod
    def parse(cls, text: str) -> Restoration | None:
        """Read a tag; None where it is of another form."""
        match = RESTORED.fullmatch(text)
        return cls(match[1], round(1000 * float(match[2]), 1) if match[2] else None, match[3] or "") if match else None


def with_restoration(info: AudioInfo, above_hz: float | None, pipeline: str) -> AudioInfo:
    """What is known of a source, with the tag of what becomes of it now.

    There is one such tag. What was restored before, and where something was restored twice the lower frequency, stays in it.

    Args:
        info: what is known of the source.
        above_hz: where its own content ends; None where nothing is added.
        pipeline: what the tag calls the pipeline.
    """
    before = restoration_of(info.tags)
    if before and before.above_hz and above_hz is None:
        made = before
    else:
        lowest = min(before.above_hz, above_hz or 0) if before and before.above_hz else above_hz
        made = Restoration(_program(), lowest, "".join(filter(str.isprintable, pipeline))[:100])
    others = (text for text in info.tags.get(NAME, ()) if Restoration.parse(text) is None)
    return replace(info, tags={**info.tags, NAME: (*others, str(made))})


def _program() -> str:
    try:
        return f"{DISTRIBUTION} {version(DISTRIBUTION)}"
    except PackageNotFoundError:  # run from its source
        return f"{DISTRIBUTION} 0"


def made_by(tags: Mapping[str, Sequence[str]]) -> Restoration | None:
    """What a file's tags say of the toolkit that made it; None where it did not make it."""
    found = (Restoration.parse(text) for text in tags.get(NAME, ()))
    return next((restoration for restoration in found if restoration), None)


def restoration_of(tags: Mapping[str, Sequence[str]]) -> Restoration | None:
    """The first restoration that a file's tags tell of: what is above its frequency is not the recording's own."""
    found = (Restoration.parse(text) for text in tags.get(NAME, ()))
    return next((restoration for restoration in found if restoration and restoration.above_hz is not None), None)
