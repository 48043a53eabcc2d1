"""The spectrogram that the metrics share, and level ratios."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

N_FFT, HOP = 2048, 512
TINY = 1e-20
"""Added to both powers of a ratio (−200 dB), so that silence and a perfect estimate have one."""


def power(x: Tensor, n_fft: int = N_FFT, hop: int = HOP, *, mirrored: bool = True) -> Tensor:
    """Power spectrogram: `[batch, channel, time]` -> `[batch, channel, n_fft // 2 + 1, frames]`.

    Periodic Hann window, no normalization: a sine of amplitude 1 peaks at (n_fft / 4)². Frames are centred on multiples of
    the hop and the ends mirrored, as in the published LSDs; or they lie inside the signal: a mirror's kink leaks everywhere.
    """
    flat = x.reshape(-1, x.shape[-1])
    least = n_fft // 2 + 1 if mirrored else n_fft
    flat = pad(flat, (0, max(0, least - flat.shape[-1])))
    window = torch.hann_window(n_fft).to(x)
    spectrum = torch.stft(flat, n_fft, hop, window=window, center=mirrored, return_complex=True)
    return (spectrum.real.square() + spectrum.imag.square()).reshape(*x.shape[:-1], *spectrum.shape[-2:])


def above(cutoff_hz: float, rate: int, n_fft: int = N_FFT) -> int:
    """The first bin that lies above a frequency.

    >>> above(8_000, 48_000)
    342
    """
    return int(cutoff_hz * n_fft / rate) + 1


def decibels(power: Tensor, reference: Tensor) -> Tensor:
    """10·log10 of a ratio of powers; 0 where both are silent.

    >>> decibels(torch.tensor(2.0), torch.tensor(1.0))
    tensor(3.0103)
    """
    return 10 * torch.log10((power + TINY) / (reference + TINY))
