"""The multi-resolution spectral discriminator: one small convolutional network for each resolution of the STFT.

Each looks at the natural log magnitudes as at a picture, and says of every patch of it how much like a recording it
looks (Jang et al., "UnivNet", 2021, whose layers these are, on linear magnitudes). Logarithms let it see the top of the
band, which is what is made up here, and lies 60 dB below the rest. Layers stride along frequency, never along time.
Channels of audio are judged one by one.

>>> import torch
>>> judged = Discriminator((512, 1024), channels=4, floor=1e-4)(torch.zeros(2, 1, 4096))
>>> [tuple(j.logits.shape) for j in judged], len(judged[0].features)
([(2, 1, 33, 33), (2, 1, 65, 17)], 5)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import leaky_relu
from torch.nn.utils.parametrizations import weight_norm

from upscaler_core.models import fixed_initialization
from upscaler_losses.dtypes import wide
from upscaler_losses.spectral import spectrum


@dataclass(frozen=True)
class Judgement:
    """What one resolution says: logits `[batch · channel, 1, bin / 8, frame]`, and the features before, layer by layer."""

    logits: Tensor
    features: Sequence[Tensor]


class Discriminator(nn.Module):
    """`[batch, channel, time]` -> a judgement for each of `fft_sizes`."""

    def __init__(self, fft_sizes: Sequence[int], channels: int, floor: float) -> None:
        super().__init__()
        self.fft_sizes, self.floor = tuple(fft_sizes), floor
        with fixed_initialization():
            self.nets = nn.ModuleList(Patches(channels) for _ in fft_sizes)

    def forward(self, x: Tensor) -> list[Judgement]:
        """Judge each channel at each resolution."""
        magnitudes = (spectrum(x, n_fft).abs() for n_fft in self.fft_sizes)
        return [net(m.clamp(min=self.floor).log()[:, None]) for net, m in zip(self.nets, magnitudes, strict=True)]


class Patches(nn.Module):
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

    def forward(self, x: Tensor) -> Judgement:
        """Judge patch by patch; logits are float32 at least, under autocast too."""
        features = []
        for layer in self.inner:
            x = leaky_relu(layer(x), 0.1)
            features.append(x)
        return Judgement(wide(self.outer(x)), features)
