"""`linear`: straight lines between samples. The naive method that the others are compared with, by ear and by measurement.

Output n is at input time t = n·M/L, between the samples k = floor(t) and k + 1:

    y[n] = x[k] + (t − k)·(x[k + 1] − x[k])

A straight line is a triangle kernel. Its spectrum sinc² attenuates images near the Nyquist frequency by only about 20 dB. As
there is no low-pass, what exceeds the new Nyquist frequency is aliased in full (Smith, Physical Audio Signal Processing,
"Linear Interpolation").

>>> from upscaler_core import Options
>>> from upscaler_core.dsp import Resample
>>> Resample(Linear(Options()))(torch.tensor([0.0, 1.0, 4.0]), 8000, 16000)
tensor([0.0000, 0.5000, 1.0000, 2.5000, 4.0000, 2.0000])
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from upscaler_core import Options, Plan

BLOCK = 1 << 16
"""Samples in each call, approximately."""


class Linear:
    """The resampler `linear`: any pair of rates, receptive field 1."""

    def __init__(self, options: Options) -> None:
        """Ignore the options: there are none."""

    def plan(self, rate_in: int, rate_out: int) -> Plan:
        """Compute between which samples each output of a block lies; rates in Hz."""
        common = math.gcd(rate_in, rate_out)
        down, up = rate_in // common, rate_out // common
        periods = max(1, BLOCK // max(down, up))
        position = torch.arange(up * periods) * down
        before = position // up + 1  # after the receptive field
        fraction = (position % up).double() / up

        def function(windows: Tensor, start: int) -> Tensor:
            return torch.lerp(windows[:, before], windows[:, before + 1], fraction.to(windows.dtype))

        return Plan(function, down * periods, up * periods, receptive_field=1)
