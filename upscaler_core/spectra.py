"""Short-time Fourier transforms on a named grid, and back.

>>> x = torch.randn(2, 1, 4096, generator=torch.Generator().manual_seed(0))
>>> spectrum = stft(x, Grid(1024, 256))
>>> spectrum.shape
torch.Size([2, 1, 513, 17])
>>> bool((istft(spectrum, Grid(1024, 256), 4096) - x).abs().max() < 1e-5)
True
"""

from __future__ import annotations

import torch
from torch import Tensor

from upscaler_core.protocols import Grid


def stft(x: Tensor, grid: Grid) -> Tensor:
    """`[batch, 1, time]` -> complex `[batch, 1, n_fft//2 + 1, time//hop + 1]`; zeros beyond the ends."""
    window = torch.hann_window(grid.n_fft, device=x.device)
    spectrum = torch.stft(
        x[:, 0].float(), grid.n_fft, grid.hop, window=window, pad_mode="constant", return_complex=True
    )
    return spectrum[:, None]


def istft(spectrum: Tensor, grid: Grid, samples: int) -> Tensor:
    """Complex `[batch, 1, n_fft//2 + 1, frame]` -> `[batch, 1, samples]`, by weighted overlap-add (Griffin and Lim 1984)."""
    window = torch.hann_window(grid.n_fft, device=spectrum.device)
    return torch.istft(spectrum[:, 0], grid.n_fft, grid.hop, window=window, length=samples)[:, None]
