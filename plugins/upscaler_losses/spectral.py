"""`multi-resolution-stft` and `log-spectral-distance`: losses on spectra.

With S the magnitudes of an STFT, ŷ the estimate and y the target, the white paper (§3.3.1) sums over resolutions

    ‖S(y) − S(ŷ)‖₁ + ‖log S(y) − log S(ŷ)‖₁.

Here each norm is a mean over batch, channels, bins and frames, so that neither length nor resolution weighs by itself;
logarithms are natural, of magnitudes held above a floor. (Yamamoto, Song and Kim, "Parallel WaveGAN", 2020, has the
same log term, and divides the linear one by the target's norm.)

The log-spectral distance is the mean over frames of the root of the mean over bins of the squared difference of log10
power, clamped at 1e-8 (n_fft 2048, hop 512, Hann). Both losses have the gradient 0 where the signals are equal, and
wherever there is silence.

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

from upscaler_core import Options
from upscaler_losses.dtypes import wide
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
            ours, theirs = (spectrum(x, n_fft).abs() for x in (estimate, target))
            yield o.linear_weight * (ours - theirs).abs().mean()
            yield o.log_weight * (ours.clamp(min=o.floor).log() - theirs.clamp(min=o.floor).log()).abs().mean()


class LogSpectralDistance:
    """The loss `log-spectral-distance`."""

    def __init__(self, options: Options) -> None:
        """There are no options: they are the metric's."""

    def __call__(self, estimate: Tensor, target: Tensor) -> Tensor:
        """Two `[batch, channel, time]` -> a scalar."""
        difference = log_power(estimate) - log_power(target)
        # The gradient of a vector's norm is 0 at 0, where that of a root is infinite.
        frames = torch.linalg.vector_norm(difference, dim=-2) / difference.shape[-2] ** 0.5
        distance: Tensor = frames.mean()
        return distance


def log_power(x: Tensor) -> Tensor:
    """`[batch, channel, time]` -> log10 power `[batch · channel, bin, frame]`."""
    logs: Tensor = torch.view_as_real(spectrum(x, 2048)).square().sum(-1).clamp(min=1e-8).log10()
    return logs


def spectrum(x: Tensor, n_fft: int) -> Tensor:
    """`[batch, channel, time]` -> complex `[batch · channel, n_fft/2 + 1, time // hop + 1]`, hop n_fft / 4, periodic Hann.

    Frames are centred, with zeros beyond the ends. It computes in float32, in float64 for float64, whatever autocast says.
    """
    with torch.autocast(x.device.type, enabled=False):
        rows = wide(x.flatten(0, 1))
        window = torch.hann_window(n_fft, dtype=rows.dtype, device=rows.device)
        frames: Tensor = torch.stft(rows, n_fft, n_fft // 4, window=window, pad_mode="constant", return_complex=True)
        return frames
