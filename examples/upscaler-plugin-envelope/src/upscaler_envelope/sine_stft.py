"""This plugin's own short-time Fourier transform: sine windows of 1,024 samples, half overlapping.

The window w[n] = sin(π(n + ½)/N) is applied before the transform and after its inverse. The squares of two neighbouring
windows add up to one, sin² + cos², so that an unchanged spectrum gives back the signal (Princen and Bradley 1986).

>>> x = torch.randn(2, 4096, generator=torch.Generator().manual_seed(0))
>>> bool((synthesis(analysis(x), 4096) - x).abs().max() < 1e-5)
True
"""

from __future__ import annotations

import torch
from torch import Tensor

SIZE = 1_024
"""Samples in each frame."""
HOP = SIZE // 2
BINS = SIZE // 2 + 1


def window(like: Tensor) -> Tensor:
    """The sine window, float32 `[SIZE]`, on the device of `like`."""
    return torch.sin(torch.pi * (torch.arange(SIZE, device=like.device) + 0.5) / SIZE)


def analysis(x: Tensor) -> Tensor:
    """`[batch, time]` -> complex `[batch, frame, bin]`. Frame k is centred at k·HOP; the ends are zero-padded."""
    spectrum = torch.stft(x, SIZE, HOP, window=window(x), center=True, pad_mode="constant", return_complex=True)
    return spectrum.transpose(1, 2)


def synthesis(spectrum: Tensor, samples: int) -> Tensor:
    """Complex `[batch, frame, bin]` -> `[batch, samples]`."""
    return torch.istft(spectrum.transpose(1, 2), SIZE, HOP, window=window(spectrum.real), center=True, length=samples)
