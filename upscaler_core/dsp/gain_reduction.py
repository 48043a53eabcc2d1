"""How far down limiters turned a signal, and how often."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

READABLE = 1e-9
"""From a sample below this no gain is read: rounding may have made it."""


@dataclass
class GainReductionMeter:
    """Call it with the signal before and after each limiter.

    >>> import torch
    >>> meter = GainReductionMeter()
    >>> _ = meter(torch.tensor([[1.0, 0.5]]), torch.tensor([[0.5, 0.5]]))
    >>> round(meter.db, 2), meter.share
    (6.02, 0.5)
    """

    db: float = 0.0
    """The largest gain reduction, dB."""
    limited: int = 0
    """Samples that were turned down."""
    samples: int = 0
    """All samples that went through a limiter."""

    @property
    def share(self) -> float:
        """The part of the samples that was turned down, 0 … 1."""
        return self.limited / max(self.samples, 1)

    def __call__(self, before: Tensor, after: Tensor) -> Tensor:
        """`[channel, time]` before and after; all channels have one gain. Returns `after`."""
        loud, left = before.abs().amax(0), after.abs().amax(0)
        turned = left < loud
        self.samples += turned.numel()
        self.limited += int(turned.count_nonzero())
        readable = turned & (left > READABLE)
        if readable.any():
            self.db = max(self.db, 20 * math.log10(float((loud[readable] / left[readable]).max())))
        return after
