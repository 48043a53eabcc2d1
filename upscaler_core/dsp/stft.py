"""Short-time Fourier transforms, and back.

>>> x = torch.randn(2, 1, 4096, generator=torch.Generator().manual_seed(0))
>>> spectrum = stft(x, StftConfig(1024, 256))
>>> spectrum.shape
torch.Size([2, 1, 513, 17])
>>> bool((istft(spectrum, StftConfig(1024, 256), 4096) - x).abs().max() < 1e-5)
True
>>> stft(x, StftConfig(1024, 256), pad="none").shape
torch.Size([2, 1, 513, 13])
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

_PAD_MODES = {"zeros": "constant", "mirror": "reflect", "none": "constant"}


@dataclass(frozen=True)
class StftConfig:
    """An STFT: frames of `n_fft` samples, one every `hop` samples, with a periodic Hann window."""

    n_fft: int = 1024
    hop: int = 256


def stft(x: Tensor, config: StftConfig, *, pad: Literal["zeros", "mirror", "none"] = "zeros") -> Tensor:
    """Transform the last dimension.

    Args:
        x: `[..., time]`. float64 is transformed as it is, everything else as float32, whatever autocast says.
        config: frame length and hop.
        pad: what lies beyond the ends. Frames are centred on multiples of the hop for `zeros` and `mirror`; for `none` all
            of them lie inside the signal.

    Returns:
        Complex `[..., n_fft//2 + 1, frame]`, with `time//hop + 1` frames unless nothing is padded. There is no
        normalization: a sine of amplitude 1 has the magnitude n_fft / 4.
    """
    flat = x.reshape(-1, x.shape[-1])
    flat = flat if flat.dtype == torch.float64 else flat.float()
    window = torch.hann_window(config.n_fft, dtype=flat.dtype, device=x.device)
    with torch.autocast(x.device.type, enabled=False):
        spectrum = torch.stft(
            flat,
            config.n_fft,
            config.hop,
            window=window,
            center=pad != "none",
            pad_mode=_PAD_MODES[pad],
            return_complex=True,
        )
    return spectrum.reshape(*x.shape[:-1], *spectrum.shape[-2:])


def istft(spectrum: Tensor, config: StftConfig, samples: int) -> Tensor:
    """Complex `[..., n_fft//2 + 1, frame]` of centred frames -> `[..., samples]`, by weighted overlap-add.

    Griffin and Lim, "Signal estimation from modified short-time Fourier transform", 1984.
    """
    flat = spectrum.reshape(-1, *spectrum.shape[-2:])
    window = torch.hann_window(config.n_fft, device=spectrum.device)
    out = torch.istft(flat, config.n_fft, config.hop, window=window, length=samples)
    return out.reshape(*spectrum.shape[:-2], samples)
