"""A model without weights: it adds the spectrum mirrored about a quarter of the rate.

x·(−1)ⁿ moves the content at f to rate/2 − f (modulation by the Nyquist frequency; Oppenheim and Schafer, §2.9). The
pipeline uses what lies above the source's cut-off.

A model with weights takes `ModelOptions` and begins with `load_checkpoint`: see "Checkpoints" in the toolkit's
documentation. As a `torch.nn.Module` it can be trained by `upscaler train`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from upscaler_core import Conditions, Estimate

from upscaler_example.plugin import MirrorOptions


class Mirror:
    """The model."""

    rate = 48_000
    """Hz."""
    length_multiple = 1
    receptive_field = 0
    """An output sample depends on the input sample at its place alone."""

    def __init__(self, options: MirrorOptions) -> None:
        self.gain = 10 ** (options.level_db / 20)

    def __call__(self, baseline: Tensor, conditions: Conditions) -> Estimate:
        """`[batch, 1, time]` -> the baseline and its mirror image."""
        position = conditions.start[:, None, None] + torch.arange(baseline.shape[-1], device=baseline.device)
        return Estimate(baseline + self.gain * baseline * (1 - 2 * (position % 2)))
