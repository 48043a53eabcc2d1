"""libsoxr on windows: each is resampled by itself with its reach on both sides, which is then cut off.

The cut falls on a whole output sample because the reach is a whole number of periods of the ratio. libsoxr's kernels
end about 150 samples (of the lower rate) from their centre: measured at -300 dB for VHQ, whose steepest kernel is the
longest; the other qualities leave rounding noise below -150 dB beyond that.

>>> from upscaler_soxr.plugin import SoxrOptions
>>> Soxr(SoxrOptions()).plan(44100, 48000).reach
294
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from upscaler_core import MissingDependency, Plan
from upscaler_soxr.plugin import SoxrOptions

REACH = 150
"""Samples of the lower rate."""

BLOCK = 1 << 17
"""Samples a call, about."""


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
        """Lay out the windows for a pair of rates in Hz."""
        common = math.gcd(rate_in, rate_out)
        advance, yields = rate_in // common, rate_out // common
        periods = max(1, BLOCK // max(advance, yields))
        margin = math.ceil(REACH * max(1, rate_in / rate_out) / advance)  # periods
        block_out, cut = yields * periods, yields * margin

        def function(windows: Tensor, start: int) -> Tensor:
            rows = [self._resample(row.contiguous().numpy(), rate_in, rate_out, self.quality) for row in windows]
            return torch.stack([torch.from_numpy(row[cut : cut + block_out]) for row in rows])

        return Plan(function, advance * periods, block_out, receptive_field=advance * margin)
