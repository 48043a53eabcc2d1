"""`multi-resolution-stft` and `log-spectral-distance`: losses on spectra.

With S the magnitudes of an STFT, ŷ the estimate and y the target, the white paper (§3.3.1) sums over resolutions

    ‖S(y) − S(ŷ)‖₁ + ‖log S(y) − log S(ŷ)‖₁.

Here each norm is a mean over batch, channels, bins and frames, so that its value does not depend on length or resolution.
Logarithms are natural, and magnitudes below a floor count as the floor. (Yamamoto, Song and Kim, "Parallel WaveGAN", 2020,
have the same log term, and divide the linear one by the norm of the target.)

With the power P of the estimate in a bin and frame, and R of the target, both at least 1e-8, the log-spectral distance is

    LSD = mean over frames of sqrt( mean over bins of (log10 P − log10 R)² )        (n_fft 2048, hop 512, Hann window).

All STFTs have centred frames, with zeros beyond the ends. Both losses have the gradient 0 where the signals are equal, and
in silence.

>>> from upscaler_losses.options import StftOptions
>>> x = torch.randn(1, 2, 8192, generator=torch.Generator().manual_seed(0))
>>> loss = MultiResolutionStft(StftOptions(linear_weight=0))
>>> loss(2 * x, x)                                   # three resolutions, ln 2 each
tensor(2.0794)
>>> LogSpectralDistance(Options())(10 * x, x)        # 20 dB: two powers of ten
tensor(2.)
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from upscaler_core import Options, StftConfig, stft
from upscaler_losses.options import StftOptions


class MultiResolutionStft:
    """The loss `multi-resolution-stft`."""

    def __init__(self, options: StftOptions) -> None:
        self.options = options

    def __call__(self, estimate: Tensor, target: Tensor) -> Tensor:
        """Two `[batch, channel, time]` -> a scalar."""
        return torch.stack(list(self._terms(estimate, target))).sum()

    def _terms(self, estimate: Tensor, target: Tensor) -> Iterable[Tensor]:
        o = self.options
        for n_fft in o.fft_sizes:
            config = StftConfig(n_fft, n_fft // 4)
            actual, expected = (stft(x, config).abs() for x in (estimate, target))
            yield o.linear_weight * (actual - expected).abs().mean()
            yield o.log_weight * (actual.clamp(min=o.floor).log() - expected.clamp(min=o.floor).log()).abs().mean()


class LogSpectralDistance:
    """The loss `log-spectral-distance`."""

    def __init__(self, options: Options) -> None:
        """Take no options."""

    def __call__(self, estimate: Tensor, target: Tensor) -> Tensor:
        """Two `[batch, channel, time]` -> a scalar."""
        difference = log_power(estimate) - log_power(target)
        # At 0, the gradient of a vector's norm is 0, but that of a square root is infinite.
        frames = torch.linalg.vector_norm(difference, dim=-2) / difference.shape[-2] ** 0.5
        distance: Tensor = frames.mean()
        return distance


def log_power(x: Tensor) -> Tensor:
    """`[batch, channel, time]` -> log10 power `[batch, channel, bin, frame]`."""
    spectrum = stft(x, StftConfig(2048, 512))
    logs: Tensor = torch.view_as_real(spectrum).square().sum(-1).clamp(min=1e-8).log10()
    return logs
