"""A resampler that repeats samples: every output sample is the nearest input sample.

`plan` returns a pure function on windows of one fixed shape. The toolkit cuts signals and streams into such windows, so
that a file of any length goes through, and a stream gives the same samples as a whole signal.
"""

from __future__ import annotations

import math

import torch
from upscaler_core import Plan

from upscaler_example.plugin import NearestOptions


class Nearest:
    """The resampler."""

    def __init__(self, options: NearestOptions) -> None:
        self.window = options.window

    def plan(self, rate_in: int, rate_out: int) -> Plan:
        """Windows in the ratio of the rates (Hz), with one more sample on each side."""
        common = math.gcd(rate_in, rate_out)
        periods = max(1, self.window * common // rate_in)
        block_in, block_out = rate_in // common * periods, rate_out // common * periods
        nearest = (torch.arange(block_out) * block_in + block_out // 2) // block_out
        return Plan(lambda windows, start: windows[:, 1 + nearest], block_in, block_out, receptive_field=1)
