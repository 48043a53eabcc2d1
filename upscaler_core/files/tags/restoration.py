"""The tag of a file in which this toolkit's models restored something, so that nobody takes it for an original.

>>> Restoration.parse("ai-audio-upscaler 0.2.0; restored above 7.8 kHz; restore")
Restoration(program='ai-audio-upscaler 0.2.0', above_hz=7800.0, models='restore')
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
    above_hz: float
    """Where the source's own content ends."""
    models: str
    """The models' names in the pipeline."""

    def __str__(self) -> str:
        return f"{self.program}; restored above {self.above_hz / 1000:.1f} kHz; {self.models}"

    @classmethod
    def parse(cls, text: str) -> Restoration | None:
        """Read a tag; None where it is of another form."""
        match = RESTORED.fullmatch(text)
        return cls(match[1], round(1000 * float(match[2]), 1), match[3]) if match else None


def with_restoration(info: AudioInfo, above_hz: float, models: Sequence[str]) -> AudioInfo:
    """What is known of a source, with the tag of what is now restored in it, after those of earlier restorations."""
    try:
        program = f"{DISTRIBUTION} {version(DISTRIBUTION)}"
    except PackageNotFoundError:  # run from its source
        program = f"{DISTRIBUTION} 0"
    restoration = str(Restoration(program, above_hz, ", ".join(models)))
    return replace(info, tags={**info.tags, NAME: (*info.tags.get(NAME, ()), restoration)})


def restoration_of(tags: Mapping[str, Sequence[str]]) -> Restoration | None:
    """The first restoration that a file's tags tell of: what is above its frequency is not the recording's own."""
    found = (Restoration.parse(text) for text in tags.get(NAME, ()))
    return next((restoration for restoration in found if restoration), None)
