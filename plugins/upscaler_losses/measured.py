"""`metric`: any metric that torch can differentiate, as a loss: how far it is from its value for the target itself.

    loss = | metric(estimate, target) − metric(target, target) |,   mean over the batch

So SSIM is lowered from 1 − SSIM, and a distance as it is. A metric without a best value, such as SI-SDR, has no such loss.

>>> from upscaler_losses.options import MetricLossOptions
>>> loss = MetricLoss(MetricLossOptions(metric="ssim"))
>>> x = torch.randn(1, 1, 8192, generator=torch.Generator().manual_seed(0))
>>> float(loss(x, x)), 0.1 < float(loss(0.1 * x, x)) < 2
(0.0, True)
"""

from __future__ import annotations

import torch
from torch import Tensor

from upscaler_core import discover
from upscaler_losses.options import MetricLossOptions


class MetricLoss:
    """The loss `metric`."""

    def __init__(self, options: MetricLossOptions) -> None:
        self.metric, self.rate = discover().metric(options.metric), options.rate

    def __call__(self, estimate: Tensor, target: Tensor) -> Tensor:
        """Two `[batch, channel, time]` -> a scalar."""
        with torch.no_grad():
            best = self.metric(target, target, self.rate)
        return (self.metric(estimate, target, self.rate) - best).abs().mean()
