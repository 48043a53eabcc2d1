"""Linear-phase filters whose cut-off differs from item to item of a batch, with a gradient.

One Kaiser low-pass an item (see the core's `filters`, whose high-pass pipelines use: the same width and attenuation), as
a product of spectra. The high-pass is the signal less its low-passed self, so both have delay 0 and add up.

>>> x = torch.randn(2, 1, 4_800, generator=torch.Generator().manual_seed(0))
>>> low = lowpass(x, torch.tensor([6_000.0, 24_000.0]), 48_000)
>>> bool((low[1] == x[1]).all())
True
>>> spectrum = torch.fft.rfft(low[0, 0] * torch.hann_window(4_800)).abs()
>>> bool(spectrum[630:].max() < 1e-3 * spectrum[:570].max())
True
"""

from __future__ import annotations

import torch
from torch import Tensor

from upscaler_core import kaiser_lowpass, kaiser_reach

TRANSITION_HZ = 300.0
ATTENUATION_DB = 100.0
FFT_STEP = 1024
"""FFT sizes are multiples of this: only small prime factors."""


def lowpass(x: Tensor, cutoff_hz: Tensor, rate: int) -> Tensor:
    """Take away what is above each item's cut-off.

    Args:
        x: `[batch, channel, time]`, float32.
        cutoff_hz: `[batch]`, −6 dB points; an item whose cut-off is within half a transition (150 Hz) of the Nyquist
            frequency, or above, passes unchanged.
        rate: Hz.

    Returns:
        The same shape; zeros are assumed beyond the ends.
    """
    width = min(TRANSITION_HZ, rate / 8)
    passing = cutoff_hz > (rate - width) / 2
    half = kaiser_reach(ATTENUATION_DB, width / rate)
    times = torch.arange(-half, half + 1)
    taps = torch.stack([kaiser_lowpass(times, c / rate, half, ATTENUATION_DB) for c in cutoff_hz.tolist()])
    taps = (taps / taps.sum(-1, keepdim=True)).to(x)
    size = -(-(x.shape[-1] + 2 * half) // FFT_STEP) * FFT_STEP
    spectrum = torch.fft.rfft(x, size) * torch.fft.rfft(taps, size)[:, None]
    filtered = torch.fft.irfft(spectrum, size)[..., half : half + x.shape[-1]]
    return torch.where(passing[:, None, None], x, filtered)


def highpass(x: Tensor, cutoff_hz: Tensor, rate: int) -> Tensor:
    """Keep what is above each item's cut-off; see `lowpass`. Near the Nyquist frequency nothing remains."""
    return x - lowpass(x, cutoff_hz, rate)
