"""`sinc`: the Kaiser-windowed sinc summed in the time domain, for any ratio of rates.

Output n is at input time t = n·M/L. It is a sum over the length of the kernel (Smith, "Digital Audio Resampling",
1984; the kernel after Kaiser 1974):

    y[n] = Σ_j x[j]·h(t − j),    h(t) = 2c·sinc(2ct)·w(t),   c = rolloff · (lower Nyquist),   |t| <= zero_crossings / 2c

Neighbouring outputs depend on nearly the same samples. So a run of them is one product of a window with a narrow matrix,
whose column n holds h(t − j). Each column is scaled to a sum of 1, so that a constant stays unchanged.

>>> from upscaler_core.dsp import Resample
>>> resample = Resample(Sinc(SincOptions()))
>>> out = resample(torch.ones(1000), 44100, 48000)
>>> bool((out[100:-100] - 1).abs().max() < 1e-6)
True
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

from upscaler_core import Plan
from upscaler_core.dsp import kaiser_lowpass
from upscaler_dsp.options import SincOptions

RUN = 128
"""Outputs of each matrix product."""

CALL = 1 << 16
"""Samples in each call, approximately."""

CACHE_SIZE = 1 << 22
"""Matrix entries that are cached between calls. A ratio that needs more computes its matrices again, in constant memory."""


class Sinc:
    """The resampler `sinc`: linear phase, delay 0, any pair of rates."""

    def __init__(self, options: SincOptions) -> None:
        self.options = options

    def plan(self, rate_in: int, rate_out: int) -> Plan:
        """Plan the matrices for a pair of rates in Hz."""
        common = math.gcd(rate_in, rate_out)
        down, up = rate_in // common, rate_out // common
        cutoff = self.options.rolloff * min(rate_in, rate_out) / rate_in / 2
        half = self.options.zero_crossings / (2 * cutoff)
        receptive_field = math.ceil(half)
        periods = -(-RUN // up)
        block_in, block_out = down * periods, up * periods
        runs = [(first, min(first + RUN, block_out)) for first in range(0, block_out, RUN)]
        span = RUN * down // up + 2 * receptive_field

        @functools.lru_cache(maxsize=1 + CACHE_SIZE // (RUN * span))
        def matrix(first: int, last: int, dtype: torch.dtype) -> tuple[slice, Tensor]:
            """Return the samples of a window on which the outputs `first … last` depend, and their weights."""
            begin = first * down // up - receptive_field
            end = min((last - 1) * down // up + 2, block_in) + receptive_field
            position = torch.arange(first, last) * down
            samples = torch.arange(begin, end)[:, None]
            # Integer and fractional parts are separate, so that the times stay precise however long the block is.
            times = (position % up).double() / up + (position // up - samples)
            weights = kaiser_lowpass(times, cutoff, half, self.options.attenuation_db)
            return slice(begin + receptive_field, end + receptive_field), (weights / weights.sum(0)).to(dtype)

        def function(windows: Tensor, start: int) -> Tensor:
            out = windows.new_empty(len(windows), block_out)
            for first, last in runs:
                inputs, weights = matrix(first, last, windows.dtype)
                out[:, first:last] = windows[:, inputs] @ weights
            return out

        return Plan(function, block_in, block_out, receptive_field, rows=max(1, CALL // max(block_in, block_out)))
