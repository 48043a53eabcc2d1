"""A loss: log cosh of the error, a square for small errors and an absolute value for large ones."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn.functional import softplus

from upscaler_example.plugin import LogCoshOptions


class LogCosh:
    """The loss."""

    def __init__(self, options: LogCoshOptions) -> None:
        self.scale = options.scale

    def __call__(self, estimate: Tensor, target: Tensor) -> Tensor:
        """Two `[batch, channel, time]` -> a scalar >= 0; log cosh x = |x| + log(1 + exp(−2|x|)) − log 2."""
        error = (estimate - target).abs() / self.scale
        return self.scale * (error + softplus(-2 * error) - math.log(2)).mean()
