"""Cuts a signal that comes in blocks into overlapping frames. No frame is padded: the last samples may be left out.

>>> frames = Frames(size=4, hop=2)
>>> [frame.tolist() for block in torch.arange(9.0)[None].split(3, -1) for frame in frames.add(block)]
[[[0.0, 1.0, 2.0, 3.0]], [[2.0, 3.0, 4.0, 5.0]], [[4.0, 5.0, 6.0, 7.0]]]
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor


class Frames:
    """Frames of `size` samples, each `hop` samples later than the one before; the first begins at sample 0."""

    def __init__(self, size: int, hop: int) -> None:
        self.size, self.hop = size, hop
        self._parts: list[Tensor] = []
        self._length = 0

    def add(self, block: Tensor) -> Iterator[Tensor]:
        """Take the next block `[channel, time]`; yield the frames `[channel, size]` that it completes."""
        self._parts.append(block)
        self._length += block.shape[-1]
        if self._length < self.size:
            return
        signal = torch.cat(self._parts, -1)
        count = (self._length - self.size) // self.hop + 1
        rest = signal[:, count * self.hop :].clone()
        self._parts, self._length = [rest], rest.shape[-1]
        yield from signal.unfold(-1, self.size, self.hop).unbind(1)
