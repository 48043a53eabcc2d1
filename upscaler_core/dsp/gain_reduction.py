"""How much limiters reduced a signal's gain, and how often."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

READABLE = 1e-9
"""No gain is read from a limited sample below this (full scale ±1.0): it may be a rounding error."""


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
    """Samples whose gain was reduced."""
    samples: int = 0
    """All samples that passed a limiter."""

    @property
    def share(self) -> float:
        """The share of the samples whose gain was reduced, 0 … 1."""
        return self.limited / max(self.samples, 1)

    def __call__(self, before: Tensor, after: Tensor) -> Tensor:
        """Read `[channel, time]` before and after a limiter, whose gain is the same for all channels. Returns `after`."""
        peak_before, peak_after = before.abs().amax(0), after.abs().amax(0)
        limited = peak_after < peak_before
        self.samples += limited.numel()
        self.limited += int(limited.count_nonzero())
        readable = limited & (peak_after > READABLE)
        if readable.any():
            self.db = max(self.db, 20 * math.log10(float((peak_before[readable] / peak_after[readable]).max())))
        return after
