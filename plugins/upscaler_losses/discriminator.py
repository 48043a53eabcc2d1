"""The multi-resolution spectral discriminator: one small convolutional network for each resolution of the STFT.

Each network processes the natural log magnitudes like a picture, and rates for every patch how likely it is to come from a
recording. The layers are those of Jang et al., "UnivNet", 2021, who use linear magnitudes. Logarithms are used here because
the models create the top of the band, which lies 60 dB below the rest. Layers stride along frequency, never along time.
Channels of audio are processed one by one.

>>> import torch
>>> outputs = Discriminator((512, 1024), channels=4, floor=1e-4)(torch.zeros(2, 1, 4096))
>>> [tuple(output.logits.shape) for output in outputs], len(outputs[0].features)
([(2, 1, 33, 33), (2, 1, 65, 17)], 5)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import leaky_relu
from torch.nn.utils.parametrizations import weight_norm

from upscaler_core import StftConfig, stft
from upscaler_core.models import fixed_initialization
from upscaler_losses.dtypes import at_least_float32


@dataclass(frozen=True)
class PatchScores:
    """The output at one resolution."""

    logits: Tensor
    """`[batch · channel, 1, bin / 8, frame]`, positive for patches that look like a recording."""
    features: Sequence[Tensor]
    """The outputs of the inner layers, in their order."""


class Discriminator(nn.Module):
    """`[batch, channel, time]` -> scores for each of `fft_sizes`."""

    def __init__(self, fft_sizes: Sequence[int], channels: int, floor: float) -> None:
        super().__init__()
        self.fft_sizes, self.floor = tuple(fft_sizes), floor
        with fixed_initialization():
            self.nets = nn.ModuleList(PatchDiscriminator(channels) for _ in fft_sizes)

    def forward(self, x: Tensor) -> list[PatchScores]:
        """Score each channel at each resolution."""
        signals = x.flatten(0, 1)[:, None]
        magnitudes = (stft(signals, StftConfig(n_fft, n_fft // 4)).abs() for n_fft in self.fft_sizes)
        return [net(m.clamp(min=self.floor).log()) for net, m in zip(self.nets, magnitudes, strict=True)]


class PatchDiscriminator(nn.Module):
    """Six convolutions with weight normalization over a picture `[batch, 1, bin, frame]`."""

    def __init__(self, channels: int) -> None:
        super().__init__()

        def conv(inputs: int, outputs: int, bins: int, stride: int) -> nn.Module:
            kernel, padding = (bins, 3), (bins // 2, 1)
            normalized: nn.Module = weight_norm(nn.Conv2d(inputs, outputs, kernel, (stride, 1), padding))
            return normalized

        self.inner = nn.ModuleList(
            conv(inputs, channels, bins, stride)
            for inputs, bins, stride in ((1, 9, 1), *[(channels, 9, 2)] * 3, (channels, 3, 1))
        )
        self.outer = conv(channels, 1, 3, 1)

    def forward(self, x: Tensor) -> PatchScores:
        """Score the patches. The logits are at least float32, also under autocast."""
        features = []
        for layer in self.inner:
            x = leaky_relu(layer(x), 0.1)
            features.append(x)
        return PatchScores(at_least_float32(self.outer(x)), features)
