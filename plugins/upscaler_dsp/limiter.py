"""`limiter`: no sample, and with `true_peak` nothing between the samples either, rises above the ceiling.

**The gain is written as 1 − depth**, so that "untouched" is an exact 0 and such audio keeps its bits. Where the signal
peaks at p[n] near sample n, the ceiling c asks for

    d[n] = max(0, 1 − c / p[n]).

The depth in use, D, must be smooth, and D[n] >= d[n] at every n. With a look-ahead of A samples, a hold of H and a release
of B (Giannoulis, Massberg and Reiss, "Digital dynamic range compressor design", J. Audio Eng. Soc. 60 (2012), describe the
parts; here each has a finite reach, so that the limiter is a pure function on windows):

    widened     m[n] = max d[n − H … n + A]                    sliding maximum
    released    r[n] = max(0, max over j >= 0 of m[n − j] − j / B)
    smoothed    D[n] = Σ w[k]·r[n − k],  k = 0 … A,            w >= 0, Σ w = 1

*It holds:* for 0 <= k <= A the sample n lies in the window n − k … n − k + A, over which m[n − k] is a maximum; so
r[n − k] >= m[n − k] >= d[n], and an average of numbers that are each at least d[n] is at least d[n]. *It ends:* as d <= 1, a
peak is forgotten B samples after its hold; D is 0 where d is 0 from n − A − H − B to n + A.

w is three boxes in a row, a smooth bump like a Hann window, and costs three running sums. They are exactly 0 over zeros.
The sliding maximum takes maxima of itself, shifted, over twice the length each time (exact, log2(length) steps); the
release is a running maximum of m[n] + n / B.

**True peak** (ITU-R BS.1770-5, Annex 2, with a longer filter and finer readings). x(t) = Σ x[j]·h(t − j) is read 4 times a
sample by overlap-save. h is a Kaiser-windowed sinc of `REACH` samples that is −6 dB at the Nyquist frequency, so that it is
right up to 0.999 of it: whatever a filter misjudges at the top of the band is an over to the next meter, and white noise has
as much there as anywhere. At its top S, a signal band-limited to the Nyquist frequency falls no faster than S·cos(πt)
(M. Riesz, 1914), and one of the 4 readings is at most 1/8 away; so only where one exceeds c·cos(π/8) need anything more be
known, and there x(t) is read 32 times a sample, by the linear combination of the 12 readings around that has the least
mean square error for white noise (10⁻⁴). As |x(t)| <= max|x|·Σ|h|, quiet windows need no reading at all.

The limited signal is D's own, x[n]·(1 − D[n]), and is not x(t)·(1 − D(t)): a gain that moves spreads the spectrum. D moves
little over the few samples that make up a peak, and what is left of either error is met by taking slightly more than the
excess: the gain is 1 / (1 + (1 + `MARGIN`)·(p/c − 1)), less than c/p by 0 dB at the threshold and by 0.09 dB at most.

>>> from upscaler_dsp.options import LimiterOptions
>>> plan = Limiter(LimiterOptions(ceiling_db=-6)).plan(48_000)
>>> x = torch.zeros(1, plan.reach + plan.block_in + plan.reach)
>>> x[0, plan.reach + 10_000 : plan.reach + 40_000 : 10_000] = torch.tensor([0.25, 0.50, 1.0])
>>> plan.function(x, 0)[0, 10_000:40_000:10_000]
tensor([0.2500, 0.5000, 0.4987])
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import pad

from upscaler_core import Plan
from upscaler_core.dsp import kaiser_lowpass
from upscaler_dsp.options import LimiterOptions

REACH = 2048
"""Samples on each side that a reading depends on."""

ATTENUATION_DB = 80.0
"""Of the interpolation filter's window."""

TILE = 16_384
STEP = TILE - 2 * REACH
"""Samples an FFT, and how many of them the ends that it wraps around leave."""

MARGIN = 0.01
"""The part of the excess that is taken beyond what is needed, in true-peak mode."""


class Limiter:
    """The finisher `limiter`: one gain for all channels, delay 0, finite reach."""

    limits = True

    def __init__(self, options: LimiterOptions) -> None:
        self.options = options
        self.ceiling = 10 ** (options.ceiling_db / 20)

    def plan(self, rate: int) -> Plan:
        """Lay out the windows at `rate` Hz: a quarter of each, at most, is reach."""
        ahead, hold, release = (
            max(1, round(ms * rate / 1000))
            for ms in (self.options.lookahead_ms, self.options.hold_ms, self.options.release_ms)
        )
        read: Callable[[Tensor], Tensor] = TruePeak(self.ceiling) if self.options.true_peak else samples
        side = REACH + 1
        before, after = side + hold + release + ahead, ahead + side
        tiles = -(-4 * (before + after) // STEP)
        size = tiles * STEP + 2 * REACH
        block = size - before - after
        excess = 1 + MARGIN if self.options.true_peak else 1.0

        def function(windows: Tensor, start: int) -> Tensor:
            out = windows[:, before : before + block]
            # Channel by channel: an FFT's last bits depend on how many rows it is given.
            peak = torch.stack([read(channel) for channel in windows[:, :size]]).amax(0)
            over = (peak.double() / self.ceiling - 1).clamp(min=0) * excess
            if not bool(over.any()):
                return out.clone()
            needed = over / (1 + over)
            # A reading belongs to the samples on both sides of it, hence one sample more of hold.
            smooth = smoothed(released(widest(needed, hold + 1 + ahead), release), ahead)[release - 1 :]
            # Equal but for the running sums' rounding, which is 10⁻⁶ of a gain of −100 dB.
            depth = torch.maximum(smooth[:block], needed[before - side :][:block])
            return out * (1 - depth).to(out.dtype)

        return Plan(function, block, block, before)


def samples(x: Tensor) -> Tensor:
    """`[REACH + 1 + n + REACH + 1]` -> `[n]`: the samples' own peaks."""
    return x[REACH + 1 : -REACH - 1].abs()


class TruePeak:
    """Reads a signal between its samples. What is surely below `ceiling` (linear) need not be exact."""

    def __init__(self, ceiling: float) -> None:
        self.ceiling = ceiling
        times = torch.arange(-REACH, REACH) + torch.arange(4)[:, None] / 4
        taps = kaiser_lowpass(times, 0.5, REACH, ATTENUATION_DB)
        self.most = float(taps.abs().sum(-1).max())
        early = pad(taps[1:], (0, TILE - 2 * REACH)).roll(-REACH, -1)
        self.spectra = torch.fft.rfft(early).to(torch.complex64)[:, None]
        near, fine = torch.arange(-4, 8).double() / 4, torch.arange(32).double() / 32
        alike = torch.special.sinc(near[:, None] - near) + 1e-9 * torch.eye(12)
        self.weights = torch.linalg.solve(alike, torch.special.sinc(near[:, None] - fine)).float().T

    def __call__(self, x: Tensor) -> Tensor:
        """`[REACH + 1 + n + REACH + 1]` -> `[n]`: the peak of |x(t)| from each sample to the next one."""
        body = x[REACH:-REACH].float()
        if float(body.abs().max()) * self.most <= self.ceiling:
            return body[1:-1].abs()
        tiles = torch.fft.rfft(x.float().unfold(0, TILE, STEP))
        between = torch.fft.irfft(tiles * self.spectra, TILE)[..., REACH:-REACH]
        readings = torch.cat([body[None], between.reshape(3, -1)])
        peak = readings.abs().amax(0)[1:-1]
        # 0.92 is less than cos(π/8) by the little that the filter lets through above the Nyquist frequency.
        high = (peak > 0.92 * self.ceiling).nonzero()[:, 0]
        near = torch.cat([readings.index_select(1, high + i) for i in range(3)])
        peak[high] = (self.weights @ near).abs_().amax(0)
        return peak


def widest(x: Tensor, length: int) -> Tensor:
    """`[n]` -> `[n − length]`: the maximum of `length` + 1 samples from each on.

    >>> widest(torch.tensor([3, 0, 0, 0, 1, 2]), 2)
    tensor([3, 0, 1, 2])
    """
    done = 0
    while done < length:
        step = min(done + 1, length - done)
        x = torch.maximum(x[:-step], x[step:])
        done += step
    return x


def released(depth: Tensor, release: int) -> Tensor:
    """`[n]` float64 -> `[n]`: let a depth fall by no more than 1 / `release` a sample.

    >>> released(torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0, 0.0]).double(), 4)
    tensor([0.0000, 1.0000, 0.7500, 0.5000, 0.2500, 0.0000], dtype=torch.float64)
    """
    ramp = torch.arange(len(depth), dtype=torch.float64) / release
    return ((depth + ramp).cummax(0).values - ramp).clamp(min=0)


def smoothed(depth: Tensor, length: int) -> Tensor:
    """`[n]` float64 -> `[n − length]`: the weighted mean of `length` + 1 samples from each on, by three boxes in a row."""
    for part in (length // 3, (length + 1) // 3, (length + 2) // 3):
        total = pad(depth.cumsum(0), (1, 0))
        depth = (total[part + 1 :] - total[: -part - 1]) / (part + 1)
    return depth
