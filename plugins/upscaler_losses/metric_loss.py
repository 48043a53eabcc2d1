"""`metric`: any metric that torch can differentiate, as a loss.

    loss = | metric(estimate, target) − metric(target, target) |,   mean over the batch

The loss of SSIM is 1 − SSIM, that of a distance is the distance itself. A metric without a best value, such as SI-SDR,
cannot be a loss.

>>> from upscaler_losses.options import MetricLossOptions
>>> loss = MetricLoss(MetricLossOptions(metric="ssim"))
>>> x = torch.randn(1, 1, 8192, generator=torch.Generator().manual_seed(0))
>>> float(loss(x, x)), float(loss(0.1 * x, x)) > 0.01
(0.0, True)
"""

from __future__ import annotations

import torch
from torch import Tensor

from upscaler_core import UsageError, discover
from upscaler_losses.options import MetricLossOptions


class MetricLoss:
    """The loss `metric`."""

    def __init__(self, options: MetricLossOptions) -> None:
        self.name, self.rate = options.metric, options.rate
        self.metric = discover().metric(self.name)

    def __call__(self, estimate: Tensor, target: Tensor) -> Tensor:
        """Two `[batch, channel, time]` -> a scalar.

        Raises:
            UsageError: torch cannot differentiate the metric.
        """
        with torch.no_grad():
            best = self.metric(target, target, self.rate)
        value = self.metric(estimate, target, self.rate)
        if estimate.requires_grad and torch.is_grad_enabled() and not value.requires_grad:
            raise UsageError(f"the metric '{self.name}' has no gradient: take another one as a loss, such as ssim")
        return (value - best).abs().mean()
