"""Filtering and resampling of a complete excerpt by one FFT.

An FFT is circular: what a filter moves beyond the end comes back at the beginning. Therefore silence is appended to an
excerpt before it is transformed, and that part falls into the silence.

>>> x = torch.sin(2 * torch.pi * 1000 / 48000 * torch.arange(4800, dtype=torch.float64))[None]
>>> bool((filter_zero_phase(x, 48000, lambda f: torch.full_like(f, 0.5)) - x / 2).abs().max() < 1e-12)
True
>>> resample(x, 48000, 32000).shape
torch.Size([1, 3200])
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

SILENCE_SECONDS = 0.1
"""Length of the silence that is appended to an excerpt."""


def filter_zero_phase(x: Tensor, rate: int, gain: Callable[[Tensor], Tensor]) -> Tensor:
    """Filter `[channel, time]` with zero phase.

    Args:
        x: the excerpt.
        rate: sample rate, Hz.
        gain: takes frequencies in Hz (float64) and returns the factors there.
    """
    length = x.shape[-1]
    size = fast_fft_size(length + round(SILENCE_SECONDS * rate))
    f = torch.fft.rfftfreq(size, 1 / rate, dtype=torch.float64)
    spectrum = torch.fft.rfft(x, size) * gain(f).to(x.dtype).to(x.device)
    out: Tensor = torch.fft.irfft(spectrum, size)[..., :length]
    return out


def resample(x: Tensor, rate_in: int, rate_out: int) -> Tensor:
    """Resample `[channel, time]` to ceil(time · rate_out / rate_in) samples, with delay 0.

    The spectrum is cut off, or continued with zeros, at the lower of the two Nyquist frequencies.
    """
    if rate_in == rate_out:
        return x
    common = math.gcd(rate_in, rate_out)
    period_in, period_out = rate_in // common, rate_out // common
    length = x.shape[-1]
    periods = fast_fft_size(-(-(length + round(SILENCE_SECONDS * rate_in)) // period_in))
    bins = (periods * min(period_in, period_out) + 1) // 2  # below the lower Nyquist frequency
    spectrum = torch.fft.rfft(x, periods * period_in, norm="forward")[..., :bins]
    out: Tensor = torch.fft.irfft(spectrum, periods * period_out, norm="forward")
    return out[..., : -(-length * rate_out // rate_in)]


def fast_fft_size(least: int) -> int:
    """A length that FFTs process fast, at most an eighth above `least`: a power of two times at most 16.

    >>> fast_fft_size(96_000), fast_fft_size(5)
    (98304, 5)
    """
    step = 1 << max(0, least.bit_length() - 4)
    return -(-least // step) * step
