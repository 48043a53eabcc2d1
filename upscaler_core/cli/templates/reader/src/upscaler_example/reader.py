"""Reads samples as text: comment lines, which may name the rate, then a line for each time with its values.

The format is SoX's `.dat` (soxformat(7)).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from upscaler_core import AudioInfo, InputError

from upscaler_example.plugin import DatOptions

LONGEST_HEADER = 100
"""Lines at the beginning in which the rate is looked for."""


class DatReader:
    """The reader."""

    def __init__(self, options: DatOptions) -> None:
        self.rate = options.rate

    @contextmanager
    def open(self, path: Path) -> Iterator[DatSource]:
        """Open a file.

        Raises:
            InputError: the file does not begin with comments and numbers.
        """
        with path.open(encoding="ascii", errors="replace") as file:
            head = list(islice(file, LONGEST_HEADER))
        comments = "".join(line for line in head if line.startswith(";"))
        rate = re.search(r"Sample Rate (\d+)", comments)
        columns = _table([line for line in head if not line.startswith(";")][:1]).shape[1]
        if columns < 2:
            raise InputError("its first line holds no time and sample")
        yield DatSource(path, AudioInfo(int(rate[1]) if rate else self.rate, columns - 1, None, "DAT, text", 32))


class DatSource:
    """An open file."""

    damage = None

    def __init__(self, path: Path, info: AudioInfo) -> None:
        self.path, self.info = path, info

    def blocks(self, frames: int) -> Iterator[Tensor]:
        """Yield `[channel, time]` of at most `frames` samples.

        Raises:
            InputError: a line is not a row of numbers.
        """
        with self.path.open(encoding="ascii", errors="replace") as file:
            lines = (line for line in file if not line.startswith(";"))
            while rows := list(islice(lines, frames)):
                yield torch.from_numpy(np.ascontiguousarray(_table(rows)[:, 1:].T))


def _table(rows: list[str]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Lines of numbers as `[time, column]`."""
    try:
        return np.array([row.split() for row in rows], dtype=np.float32).reshape(len(rows), -1)
    except ValueError as error:
        raise InputError(f"a line is no row of numbers: {error}") from error
