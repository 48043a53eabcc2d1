"""`linear`: straight lines between samples. The naive twin that the others are heard and measured against.

Output n stands at input time t = n·M/L, between the samples k = floor(t) and k + 1:

    y[n] = x[k] + (t − k)·(x[k + 1] − x[k])

A straight line is a triangle kernel, whose spectrum sinc² lets images through at about −20 dB near Nyquist; without a
low-pass, what exceeds the new Nyquist folds back in full (Smith, Physical Audio Signal Processing, "Linear
Interpolation").

>>> from upscaler_core import Options, Resample
>>> Resample(Linear(Options()))(torch.tensor([0.0, 1.0, 4.0]), 8000, 16000)
tensor([0.0000, 0.5000, 1.0000, 2.5000, 4.0000, 2.0000])
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from upscaler_core import Options, Plan

BLOCK = 1 << 16
"""Samples a call, about."""


class Linear:
    """The resampler `linear`: any pair of rates, reach 1."""

    def __init__(self, options: Options) -> None:
        """There are no options."""

    def plan(self, rate_in: int, rate_out: int) -> Plan:
        """Note between which samples each output of a block stands; rates in Hz."""
        common = math.gcd(rate_in, rate_out)
        advance, yields = rate_in // common, rate_out // common
        periods = max(1, BLOCK // max(advance, yields))
        position = torch.arange(yields * periods) * advance
        before = position // yields + 1  # behind the reach
        between = (position % yields).double() / yields

        def function(windows: Tensor, start: int) -> Tensor:
            return torch.lerp(windows[:, before], windows[:, before + 1], between.to(windows.dtype))

        return Plan(function, advance * periods, yields * periods, receptive_field=1)
