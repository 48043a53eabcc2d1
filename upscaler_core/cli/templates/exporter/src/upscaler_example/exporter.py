"""Writes samples as text: two comment lines with the rate and the channels, then a line for each time with its values.

The format is SoX's `.dat` (soxformat(7)). The toolkit gives a temporary path, and removes a file that is not complete.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from torch import Tensor
from upscaler_core import AudioInfo

from upscaler_example.plugin import DatOptions

MOST_CHANNELS = 8


class DatExporter:
    """The exporter."""

    def __init__(self, options: DatOptions) -> None:
        self.number_format = f"%.{options.digits}g"

    def refuse(self, rate: int, channels: int) -> str | None:
        """Why this number of channels cannot be written; None if it can be written."""
        return None if channels <= MOST_CHANNELS else f"it holds up to {MOST_CHANNELS} channels, not {channels}"

    def open(self, path: Path, rate: int, channels: int, source: AudioInfo | None = None, seed: int = 0) -> DatSink:
        """Open `path` for writing."""
        return DatSink(path, rate, channels, self.number_format)


class DatSink:
    """A file while it is written."""

    clipped = 0

    def __init__(self, path: Path, rate: int, channels: int, number_format: str) -> None:
        self.file = path.open("w", encoding="ascii", newline="\n")
        self.file.write(f"; Sample Rate {rate}\n; Channels {channels}\n")
        self.rate, self.number_format, self.position = rate, number_format, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.file.close()

    def write(self, block: Tensor) -> None:
        """Append `[channel, time]`."""
        seconds = (self.position + np.arange(block.shape[-1])) / self.rate
        np.savetxt(self.file, np.column_stack([seconds, block.T.numpy()]), self.number_format)
        self.position += block.shape[-1]
