"""Whole excerpts in the frequency domain: zero-phase filters given by their gain, and changes of rate.

An FFT is circular, so that an excerpt is followed by silence before it is transformed: what a filter would wrap around
from the end to the beginning falls into it.

>>> x = torch.sin(2 * torch.pi * 1000 / 48000 * torch.arange(4800, dtype=torch.float64))[None]
>>> bool((filtered(x, 48000, lambda f: torch.full_like(f, 0.5)) - x / 2).abs().max() < 1e-12)
True
>>> resampled(x, 48000, 32000).shape
torch.Size([1, 3200])
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

SILENCE = 0.1
"""Seconds of it that follow an excerpt."""


def filtered(x: Tensor, rate: int, gain: Callable[[Tensor], Tensor]) -> Tensor:
    """Filter `[channel, time]` at `rate` Hz with zero phase; `gain` takes frequencies in Hz, float64, and gives factors."""
    length = x.shape[-1]
    size = smooth_size(length + round(SILENCE * rate))
    f = torch.fft.rfftfreq(size, 1 / rate, dtype=torch.float64)
    spectrum = torch.fft.rfft(x, size) * gain(f).to(x.dtype).to(x.device)
    out: Tensor = torch.fft.irfft(spectrum, size)[..., :length]
    return out


def resampled(x: Tensor, rate: int, other: int) -> Tensor:
    """`[channel, time]` from `rate` to `other` Hz, ceil(time · other / rate) samples, delay 0.

    The spectrum is cut off, or continued with zeros, at the lower Nyquist frequency.
    """
    if rate == other:
        return x
    common = math.gcd(rate, other)
    period, yields = rate // common, other // common
    length = x.shape[-1]
    periods = smooth_size(-(-(length + round(SILENCE * rate)) // period))
    bins = (periods * min(period, yields) + 1) // 2  # below the lower Nyquist
    spectrum = torch.fft.rfft(x, periods * period, norm="forward")[..., :bins]
    out: Tensor = torch.fft.irfft(spectrum, periods * yields, norm="forward")
    return out[..., : -(-length * other // rate)]


def smooth_size(least: int) -> int:
    """A length that FFTs like, at most an eighth above `least`: a power of two times at most 16.

    >>> smooth_size(96_000), smooth_size(5)
    (98304, 5)
    """
    step = 1 << max(0, least.bit_length() - 4)
    return -(-least // step) * step
