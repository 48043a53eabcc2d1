"""libsoxr on windows: each is resampled by itself, with a receptive field on both sides that is then cut off.

The receptive field is an integer number of periods of the ratio, so that the cut is at an output sample. libsoxr's kernels
end about 150 samples (of the lower rate) from their centre. This is measured at -300 dB for VHQ, whose steepest kernel is
the longest. The other qualities have only rounding noise below -150 dB beyond that.

>>> from upscaler_soxr.plugin import SoxrOptions
>>> Soxr(SoxrOptions()).plan(44100, 48000).receptive_field
294
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from upscaler_core import MissingDependency, Plan
from upscaler_soxr.plugin import SoxrOptions

HALF_LENGTH = 150
"""Samples of the lower rate on each side of a kernel's centre."""

BLOCK = 1 << 17
"""Samples in each call, approximately."""


class Soxr:
    """The resampler `soxr`: linear phase, delay 0, any pair of rates.

    Raises:
        MissingDependency: soxr is not installed.
    """

    def __init__(self, options: SoxrOptions) -> None:
        try:
            import soxr
        except ImportError as error:
            message = "the resampler 'soxr' needs the package soxr: pip install 'ai-audio-upscaler[soxr]'"
            raise MissingDependency(message) from error
        self._resample = soxr.resample
        self.quality = options.quality

    def plan(self, rate_in: int, rate_out: int) -> Plan:
        """Plan the windows for a pair of rates in Hz."""
        common = math.gcd(rate_in, rate_out)
        down, up = rate_in // common, rate_out // common
        periods = max(1, BLOCK // max(down, up))
        margin = math.ceil(HALF_LENGTH * max(1, rate_in / rate_out) / down)  # periods
        block_out, cut = up * periods, up * margin

        def function(windows: Tensor, start: int) -> Tensor:
            rows = [self._resample(row.contiguous().numpy(), rate_in, rate_out, self.quality) for row in windows]
            return torch.stack([torch.from_numpy(row[cut : cut + block_out]) for row in rows])

        return Plan(function, down * periods, block_out, receptive_field=down * margin)
