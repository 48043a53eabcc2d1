"""What the exporters of this plugin share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, ClassVar, Generic, TypeVar

from upscaler_core import AudioInfo, Options, OutputError
from upscaler_core.dsp import default_layout, same_layout
from upscaler_files.quantize import Quantizer
from upscaler_files.sink import Encoder, FileSink

FormatOptions = TypeVar("FormatOptions", bound=Options)


class FileExporter(ABC, Generic[FormatOptions]):
    """Writes files of one format. A subclass says what the format cannot hold, and how its samples are made and encoded."""

    default_options: type[FormatOptions]
    """Its class of options, all of which have defaults."""
    lossy: ClassVar[bool] = False
    """Whether the encoder takes floats that must be within ±1, see `FileSink`."""

    def __init__(self, options: FormatOptions | None = None) -> None:
        self.options = options or self.default_options()

    @abstractmethod
    def refuse(self, rate: int, channels: int) -> str | None:
        """Why this pair cannot be written as the options ask, and the nearest that can; None where it can."""

    @abstractmethod
    def encoder(self, file: BinaryIO, rate: int, channels: int, source: AudioInfo) -> Encoder:
        """Begin the opened file. Of the source, its bits, tags and pictures count."""

    def layout_warning(self, layout: Sequence[str]) -> str | None:
        """What becomes of loudspeakers that the format cannot name; None where it can."""
        meant = default_layout(len(layout))
        if not layout or same_layout(layout, meant):
            return None
        names = f"the loudspeakers {', '.join(layout)} cannot be named in this format"
        return f"{names}: players take them for {', '.join(meant)}; write FLAC or WAV to keep them"

    def quantizer(self, rate: int, source: AudioInfo, seed: int) -> Quantizer | None:
        """What makes integers of the samples; None for an encoder that takes floats."""
        return None

    def open(self, path: Path, rate: int, channels: int, source: AudioInfo | None = None, seed: int = 0) -> FileSink:
        """Open `path` for writing; see `FileSink`.

        Raises:
            OutputError: this pair of rate and channels, or the path, cannot be written.
        """
        if reason := self.refuse(rate, channels):
            raise OutputError(reason)
        described = source or AudioInfo(rate, channels, None, "")
        return FileSink(
            path,
            channels,
            lambda file: self.encoder(file, rate, channels, described),
            self.quantizer(rate, described, seed),
            clamp=self.lossy,
        )
