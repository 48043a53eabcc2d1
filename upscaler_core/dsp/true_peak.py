"""Peaks between the samples of a signal, exact where they are near a ceiling or above it (ITU-R BS.1770-5, Annex 2).

The filter is longer, and the grid finer, than the standard's. x(t) = Σ x[j]·h(t − j) is computed at 4 points a sample by
overlap-save. h is a Kaiser-windowed sinc with `HALF_LENGTH` samples on each side. It is −6 dB at the Nyquist frequency, and
so it is accurate up to 0.999 of it: if a filter is wrong at the top of the band, another meter sees the ceiling exceeded,
and white noise has as much energy there as anywhere. From its maximum S, a signal that is band-limited to the Nyquist
frequency falls no faster than S·cos(πt) (M. Riesz, 1914), and one of the 4 points is at most 1/8 sample away. So more points
are necessary only where a value exceeds c·cos(π/8), where c is the ceiling. There x(t) is computed at 32 points a sample, as
the linear combination of the 12 values around it that has the least mean square error for white noise (10⁻⁴). As |x(t)| <=
max|x|·Σ|h|, quiet windows need no interpolation at all.

>>> n = torch.arange(40_000, dtype=torch.float64)
>>> meter = PeakMeter(between_samples=True)
>>> x = torch.cos(torch.pi * (n / 2 + 1 / 4)) * torch.hann_window(40_000)  # its samples miss the peak by 3 dB
>>> _ = list(meter.watch([x[None, :25_000], x[None, 25_000:]]))
>>> round(meter.peak, 4), round(float(x.abs().max()), 4)
(1.0, 0.7071)
>>> _ = list(meter.watch([2 * x[None]]))
>>> round(meter.peak, 3)
2.0
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.functional import pad

from upscaler_core.dsp.filters import kaiser_lowpass
from upscaler_core.dsp.streaming import Stream, windows

HALF_LENGTH = 2048
"""Samples on each side that an interpolated value depends on."""
ATTENUATION_DB = 80.0
"""Stop-band attenuation of the interpolation filter, dB."""
TILE = 16_384
STEP = TILE - 2 * HALF_LENGTH
"""Samples in each FFT, and how many of them are valid: its ends wrap around."""
TILES = 8
"""FFTs in each window of `PeakMeter`."""


class TruePeak:
    """Measures peaks between the samples of a signal. Values that are surely below `ceiling` (linear) are not exact."""

    half_length, step = HALF_LENGTH, STEP

    def __init__(self, ceiling: float) -> None:
        self.ceiling = ceiling
        times = torch.arange(-HALF_LENGTH, HALF_LENGTH) + torch.arange(4)[:, None] / 4
        taps = kaiser_lowpass(times, 0.5, HALF_LENGTH, ATTENUATION_DB)
        self.max_gain = float(taps.abs().sum(-1).max())
        early = pad(taps[1:], (0, TILE - 2 * HALF_LENGTH)).roll(-HALF_LENGTH, -1)
        self.spectra = torch.fft.rfft(early).to(torch.complex64)[:, None]
        coarse, fine = torch.arange(-4, 8).double() / 4, torch.arange(32).double() / 32
        correlation = torch.special.sinc(coarse[:, None] - coarse) + 1e-9 * torch.eye(12)
        self.weights = torch.linalg.solve(correlation, torch.special.sinc(coarse[:, None] - fine)).float().T

    def __call__(self, x: Tensor) -> Tensor:
        """`[HALF_LENGTH + 1 + n + HALF_LENGTH + 1]` -> `[n]`: the peak of |x(t)| from each sample to the next one.

        n is 2 less than a multiple of `step`.
        """
        body = x[HALF_LENGTH:-HALF_LENGTH].float()
        if float(body.abs().max()) * self.max_gain <= self.ceiling:
            return body[1:-1].abs()
        tiles = torch.fft.rfft(x.float().unfold(0, TILE, STEP))
        between = torch.fft.irfft(tiles * self.spectra, TILE)[..., HALF_LENGTH:-HALF_LENGTH]
        values = torch.cat([body[None], between.reshape(3, -1)])
        peak = values.abs().amax(0)[1:-1]
        # 0.92 is a little less than cos(π/8), because the filter passes a little above the Nyquist frequency.
        high = (peak > 0.92 * self.ceiling).nonzero()[:, 0]
        around = torch.cat([values.index_select(1, high + i) for i in range(3)])
        peak[high] = (self.weights @ around).abs_().amax(0)
        return peak


class PeakMeter:
    """Measures the peak of a stream while it passes. Memory does not grow, and the samples do not change.

    Args:
        between_samples: measure the peaks between the samples too. Peaks below full scale are then those of the samples
            and of the points between them that were looked at.
    """

    def __init__(self, *, between_samples: bool) -> None:
        self.between_samples = between_samples
        self.peak = 0.0
        """The largest magnitude so far; 1.0 is full scale."""

    def watch(self, stream: Stream) -> Iterator[Tensor]:
        """Yield the samples of a stream `[channel, time]`, each block after it was measured."""
        if not self.between_samples:
            for block in stream:
                self._take(block.abs())
                yield block
            return
        side, true_peak = HALF_LENGTH + 1, TruePeak(1.0)
        for _, window, fresh in windows(stream, TILES * STEP - 2, side, side):
            for channel in window:  # one by one: an FFT's last bits depend on its number of rows
                true_peak.ceiling = max(1.0, self.peak)
                self._take(true_peak(channel)[:fresh])
            body = window[:, side : side + fresh]
            self._take(body.abs())
            yield body

    def _take(self, magnitudes: Tensor) -> None:
        self.peak = max(self.peak, float(magnitudes.max())) if magnitudes.numel() else self.peak
