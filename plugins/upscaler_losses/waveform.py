"""`l1`: the mean absolute difference of the samples (white paper §3.3.2).

>>> import torch
>>> L1(Options())(torch.tensor([[[1.0, -1.0]]]), torch.tensor([[[0.0, 0.0]]]))
tensor(1.)
"""

from __future__ import annotations

from torch import Tensor

from upscaler_core import Options
from upscaler_losses.dtypes import at_least_float32


class L1:
    """The loss `l1`."""

    def __init__(self, options: Options) -> None:
        """Take no options."""

    def __call__(self, estimate: Tensor, target: Tensor) -> Tensor:
        """Two `[batch, channel, time]` -> a scalar."""
        return (at_least_float32(estimate) - at_least_float32(target)).abs().mean()
