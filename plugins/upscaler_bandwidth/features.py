"""What the network reads: levels of bands over time, in dB.

A frame is 80 to 160 ms long, and frames overlap by half. A band is 1/24 octave wide; the lowest begins at 1 kHz. In each
frame and band there are two levels of the power spectrum: the mean of the power, which shows tones, and the mean of its
logarithm, which shows the noise between them. Four frames make a **cell**; it has three features for each band:

    0  the loudest frame's mean of the logarithm     what the content reaches
    1  the quietest frame's mean of the logarithm    the floor between events
    2  the mean over frames of level 1 − level 2     how tonal the band is: 2.5 dB for noise, far more for tones

>>> features = CellFeatures(48_000)
>>> cells = [features.add(block) for block in torch.randn(1, 48_000).split(1_000, -1)]
>>> sum(len(c) for c in cells) + len(features.finish()), features.bands
(6, 111)
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from upscaler_core.dsp import Frames, blackman_harris

RESOLUTION_HZ = 12.5
"""Bins are at most this wide."""
PER_OCTAVE = 24
"""Bands in an octave."""
LOWEST_HZ = 1_000.0
"""Where the lowest band begins."""
FRAMES = 4
"""Frames in a cell."""
GROUP = 8
"""Cells in each FFT call. The number never changes, because the last bits of the result depend on it."""
FLOOR_DB = -150.0
"""Levels are at least this; digital silence is exactly this."""
CHANNELS = 3
"""Features of each band in a cell."""


def band_count(rate: int) -> int:
    """How many bands there are up to the Nyquist frequency of `rate` Hz; the last one may end above it."""
    return max(1, math.ceil(PER_OCTAVE * math.log2(max(1.0, 0.999 * rate / 2 / LOWEST_HZ))))


def frame_size(rate: int) -> int:
    """Samples in a frame, a power of two."""
    return int(1 << max(1, math.ceil(math.log2(rate / RESOLUTION_HZ))))


def cell_samples(rate: int) -> int:
    """Samples from one cell to the next."""
    return FRAMES * frame_size(rate) // 2


def band_weights(rate: int) -> Tensor:
    """`[bin, band]`: the share of each bin in the mean of each band. A band narrower than a bin takes the nearest one."""
    size = frame_size(rate)
    bins = torch.arange(size // 2 + 1, dtype=torch.float64)
    edges = LOWEST_HZ * 2 ** (torch.arange(band_count(rate) + 1, dtype=torch.float64) / PER_OCTAVE) * size / rate
    low, high = edges[:-1], edges[1:].clamp(max=size // 2 + 1)
    inside = ((bins[:, None] >= low) & (bins[:, None] < high)).double()
    nearest = torch.nn.functional.one_hot(((low + high) / 2).round().long().clamp(max=size // 2), size // 2 + 1).T
    weights = torch.where(inside.sum(0) > 0, inside, nearest.double())
    return (weights / weights.sum(0)).float()


class CellFeatures:
    """Computes the features of a signal that comes in blocks `[channel, time]` at `rate` Hz."""

    def __init__(self, rate: int) -> None:
        self.size = frame_size(rate)
        self.bands = band_count(rate)
        self.window = blackman_harris(self.size)
        self.weights = band_weights(rate)
        self.groups = Frames(self.group_size, cell_samples(rate) * GROUP)

    @property
    def group_size(self) -> int:
        """Samples that the cells of one FFT call depend on."""
        return (GROUP * FRAMES + 1) * self.size // 2

    def add(self, block: Tensor) -> Tensor:
        """Take the next block; return the cells `[cell, feature, band]` that it completes."""
        done = [self._cells(group) for group in self.groups.add(block)]
        return torch.cat(done) if done else torch.zeros(0, CHANNELS, self.bands)

    def finish(self) -> Tensor:
        """The last cells. Samples that fill no frame are left out; where a cell lacks frames, its last one is repeated."""
        rest = self.groups.rest
        count = (rest.shape[-1] - self.size) // (self.size // 2) + 1 if rest.shape[-1] >= self.size else 0
        if not count:
            return torch.zeros(0, CHANNELS, self.bands)
        levels = self._levels(torch.nn.functional.pad(rest, (0, self.group_size - rest.shape[-1])))
        for level in levels:
            level[count:] = level[count - 1]
        return self._pool(*levels)[: -(-count // FRAMES)]

    def _cells(self, group: Tensor) -> Tensor:
        """`[channel, group_size]` -> `[cell, feature, band]`."""
        return self._pool(*self._levels(group))

    def _levels(self, group: Tensor) -> tuple[Tensor, Tensor]:
        """`[channel, group_size]` -> the mean of power and of its logarithm, each `[frame, band]`, dB."""
        frames = group.unfold(-1, self.size, self.size // 2)
        spectrum = torch.fft.rfft(frames * self.window)
        power = spectrum.real.square().add_(spectrum.imag.square()).sum(0)
        return _decibels(power @ self.weights), (_decibels(power) @ self.weights).clamp(min=FLOOR_DB)

    def _pool(self, mean: Tensor, log_mean: Tensor) -> Tensor:
        """`[frame, band]` each -> `[cell, feature, band]`."""
        mean, log_mean = (x.view(GROUP, FRAMES, self.bands) for x in (mean, log_mean))
        return torch.stack([log_mean.amax(1), log_mean.amin(1), (mean - log_mean).mean(1)], 1)


def _decibels(power: Tensor) -> Tensor:
    return torch.log10(power + 10 ** (FLOOR_DB / 10)).mul_(10)
