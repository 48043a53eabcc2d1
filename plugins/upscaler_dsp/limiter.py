"""`limiter`: no sample exceeds the ceiling, and with `true_peak` nothing between the samples does either.

**The gain is written as 1 − depth**, so that "unchanged" is an exact 0 and such audio keeps its bits. Where the signal has a
peak of p[n] near sample n, the ceiling c requires

    d[n] = max(0, 1 − c / p[n]).

The depth that is applied, D, must be smooth, and D[n] >= d[n] at every n. There is a look-ahead of A samples, a hold of H
and a release of B. (Giannoulis, Massberg and Reiss, "Digital dynamic range compressor design", J. Audio Eng. Soc. 60 (2012),
describe the parts. Here the receptive field of each is finite, so that the limiter is a pure function on windows.)

    widened     m[n] = max d[n − H … n + A]                    sliding maximum
    released    r[n] = max(0, max over j >= 0 of m[n − j] − j / B)
    smoothed    D[n] = Σ w[k]·r[n − k],  k = 0 … A,            w >= 0, Σ w = 1

*The ceiling holds:* for 0 <= k <= A the sample n lies in the window n − k … n − k + A, over which m[n − k] is a maximum. So
r[n − k] >= m[n − k] >= d[n], and an average of numbers that are each at least d[n] is at least d[n]. *The receptive field is
finite:* as d <= 1, a peak has no effect from B samples after its hold on. D is 0 where d is 0 from n − A − H − B to n + A.

w is the convolution of three boxes, a smooth curve like a Hann window, and costs three running sums. They are exactly 0 over
zeros. The sliding maximum is the maximum of itself and a shifted copy, over twice the length each time (exact, log2(length)
steps). The release is a running maximum of m[n] + n / B.

In true-peak mode p[n] is the peak from sample n to the next one, which `upscaler_core.dsp.TruePeak` measures.

The limited signal is x[n]·(1 − D[n]) between the samples, too, and not x(t)·(1 − D(t)): a gain that changes widens the
spectrum. But D changes little over the few samples of a peak. A small margin covers what remains of both errors: the gain is
1 / (1 + (1 + `MARGIN`)·(p/c − 1)), which is less than c/p by 0 dB at the threshold and by 0.09 dB at most.

>>> from upscaler_dsp.options import LimiterOptions
>>> plan = Limiter(LimiterOptions(ceiling_db=-6)).plan(48_000)
>>> x = torch.zeros(1, plan.receptive_field + plan.block_in + plan.receptive_field)
>>> x[0, plan.receptive_field + 10_000 : plan.receptive_field + 40_000 : 10_000] = torch.tensor([0.25, 0.50, 1.0])
>>> plan.function(x, 0)[0, 10_000:40_000:10_000]
tensor([0.2500, 0.5000, 0.4987])
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import pad

from upscaler_core import Plan
from upscaler_core.dsp import TruePeak
from upscaler_dsp.options import LimiterOptions

HALF_LENGTH, STEP = TruePeak.half_length, TruePeak.step

MARGIN = 0.01
"""Share of the excess by which the gain is reduced further than necessary, in true-peak mode."""


class Limiter:
    """The finisher `limiter`: one gain for all channels, delay 0, finite receptive field."""

    limits = True

    def __init__(self, options: LimiterOptions) -> None:
        self.options = options
        self.ceiling = 10 ** (options.ceiling_db / 20)

    def plan(self, rate: int) -> Plan:
        """Plan the windows at `rate` Hz, so that at most a quarter of each is receptive field."""
        ahead, hold, release = (
            max(1, round(ms * rate / 1000))
            for ms in (self.options.lookahead_ms, self.options.hold_ms, self.options.release_ms)
        )
        measure_peak: Callable[[Tensor], Tensor] = TruePeak(self.ceiling) if self.options.true_peak else sample_peak
        side = HALF_LENGTH + 1
        before, after = side + hold + release + ahead, ahead + side
        tiles = -(-4 * (before + after) // STEP)
        size = tiles * STEP + 2 * HALF_LENGTH
        block = size - before - after
        factor = 1 + MARGIN if self.options.true_peak else 1.0

        def function(windows: Tensor, start: int) -> Tensor:
            out = windows[:, before : before + block]
            # Channel by channel: an FFT's last bits depend on its number of rows.
            peak = torch.stack([measure_peak(channel) for channel in windows[:, :size]]).amax(0)
            excess = (peak.double() / self.ceiling - 1).clamp(min=0) * factor
            if not bool(excess.any()):
                return out.clone()
            required = excess / (1 + excess)
            # A peak between two samples limits both of them, hence one more sample of hold.
            smooth = moving_average(release_ramp(sliding_maximum(required, hold + 1 + ahead), release), ahead)[
                release - 1 :
            ]
            # This changes only rounding errors of the running sums, which are 10⁻⁶ of a gain of −100 dB.
            depth = torch.maximum(smooth[:block], required[before - side :][:block])
            return out * (1 - depth).to(out.dtype)

        return Plan(function, block, block, before)


def sample_peak(x: Tensor) -> Tensor:
    """`[HALF_LENGTH + 1 + n + HALF_LENGTH + 1]` -> `[n]`: the magnitudes of the samples."""
    return x[HALF_LENGTH + 1 : -HALF_LENGTH - 1].abs()


def sliding_maximum(x: Tensor, length: int) -> Tensor:
    """`[n]` -> `[n − length]`: the maximum of `length` + 1 samples, starting at each.

    >>> sliding_maximum(torch.tensor([3, 0, 0, 0, 1, 2]), 2)
    tensor([3, 0, 1, 2])
    """
    covered = 0
    while covered < length:
        step = min(covered + 1, length - covered)
        x = torch.maximum(x[:-step], x[step:])
        covered += step
    return x


def release_ramp(depth: Tensor, release: int) -> Tensor:
    """`[n]` float64 -> `[n]`: the least depth that falls by at most 1 / `release` a sample.

    >>> release_ramp(torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0, 0.0]).double(), 4)
    tensor([0.0000, 1.0000, 0.7500, 0.5000, 0.2500, 0.0000], dtype=torch.float64)
    """
    ramp = torch.arange(len(depth), dtype=torch.float64) / release
    return ((depth + ramp).cummax(0).values - ramp).clamp(min=0)


def moving_average(depth: Tensor, length: int) -> Tensor:
    """`[n]` float64 -> `[n − length]`: the weighted mean of `length` + 1 samples, starting at each, by three boxes."""
    for part in (length // 3, (length + 1) // 3, (length + 2) // 3):
        total = pad(depth.cumsum(0), (1, 0))
        depth = (total[part + 1 :] - total[: -part - 1]) / (part + 1)
    return depth
