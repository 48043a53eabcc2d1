"""Power spectrograms and ratios of powers, which all metrics share."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from upscaler_core import StftConfig, stft

CONFIG = StftConfig(2048, 512)
"""The STFT of all metrics whose definition does not give another one."""
TINY = 1e-20
"""This is added to both powers of a ratio (−200 dB), so that silence and a perfect estimate have a ratio too."""


def power_spectrogram(x: Tensor, config: StftConfig = CONFIG, *, mirrored: bool = True) -> Tensor:
    """Power spectrogram: `[batch, channel, time]` -> `[batch, channel, n_fft // 2 + 1, frame]`.

    Args:
        x: the signal. One that is too short for a frame is continued with zeros.
        config: frame length and hop. A sine of amplitude 1 has the power (n_fft / 4)² in its bin.
        mirrored: frames are centred on multiples of the hop and the ends are mirrored, as in the published LSDs. Otherwise
            all frames lie inside the signal, since the kink of a mirror leaks into all bins.
    """
    least = config.n_fft // 2 + 1 if mirrored else config.n_fft
    spectrum = stft(pad(x, (0, max(0, least - x.shape[-1]))), config, pad="mirror" if mirrored else "none")
    return spectrum.real.square() + spectrum.imag.square()


def first_bin_above(cutoff_hz: float, rate: int, n_fft: int = CONFIG.n_fft) -> int:
    """The first bin that lies above a frequency.

    >>> first_bin_above(8_000, 48_000)
    342
    """
    return int(cutoff_hz * n_fft / rate) + 1


def decibels(power: Tensor, reference: Tensor) -> Tensor:
    """10·log10 of a ratio of powers; 0 where both are silent.

    >>> decibels(torch.tensor(2.0), torch.tensor(1.0))
    tensor(3.0103)
    """
    return 10 * torch.log10((power + TINY) / (reference + TINY))
