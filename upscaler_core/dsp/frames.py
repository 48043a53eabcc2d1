"""Cuts a signal that comes in blocks into overlapping frames. No frame is padded: the last samples may be left out.

>>> frames = Frames(size=4, hop=2)
>>> [frame.tolist() for block in torch.arange(9.0)[None].split(3, -1) for frame in frames.add(block)]
[[[0.0, 1.0, 2.0, 3.0]], [[2.0, 3.0, 4.0, 5.0]], [[4.0, 5.0, 6.0, 7.0]]]
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor


class Frames:
    """Frames of `size` samples, each `hop` samples later than the one before; the first begins at sample 0."""

    def __init__(self, size: int, hop: int) -> None:
        self.size, self.hop = size, hop
        self._parts: list[Tensor] = []
        self._length = 0

    @property
    def rest(self) -> Tensor:
        """The samples `[channel, time]` from the next frame's beginning on; `[0, 0]` where none ever came."""
        return torch.cat(self._parts, -1) if self._parts else torch.zeros(0, 0)

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


def blackman_harris(size: int) -> Tensor:
    """The periodic 4-term window `[size]`, scaled so that a sine of amplitude 1 is at 0 dB (Harris 1978).

    Its side lobes are below −92 dB.
    """
    angle = 2 * math.pi * torch.arange(size, dtype=torch.float64) / size
    terms = torch.tensor([0.35875, -0.48829, 0.14128, -0.01168], dtype=torch.float64)
    window = (terms[:, None] * torch.cos(torch.arange(4)[:, None] * angle)).sum(0)
    return (window / (window.sum() / 2)).float()
