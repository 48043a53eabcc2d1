"""`stereo`: a loss of mid = (left + right) / 2 and side = (left − right) / 2 (Steinmetz, Pons, Pascual and Serrà, 2021).

The left and the right channel alone say little about a stereo image: in a narrow mix, the side signal is faint, and the mid
hides it in both channels. As a separate signal, the side counts as much as the mid, above all in logarithms. Audio that does
not have two channels goes to the loss as it is.

>>> import torch
>>> from upscaler_losses.options import StereoOptions
>>> loss = Stereo(StereoOptions(of="l1"))
>>> loss(torch.tensor([[[1.0], [0.0]]]), torch.tensor([[[0.0], [1.0]]]))     # swapped: mid 0, side 1
tensor(0.5000)
"""

from __future__ import annotations

from torch import Tensor

from upscaler_core import Options
from upscaler_core.dsp import to_mid_side
from upscaler_core.plugins import Loss
from upscaler_losses.options import StereoOptions
from upscaler_losses.spectral import MultiResolutionStft
from upscaler_losses.waveform import L1


class Stereo:
    """The loss `stereo`."""

    def __init__(self, options: StereoOptions) -> None:
        self.loss: Loss = L1(Options()) if options.of == "l1" else MultiResolutionStft(options)

    def __call__(self, estimate: Tensor, target: Tensor) -> Tensor:
        """Two `[batch, channel, time]` -> a scalar."""
        return self.loss(to_mid_side(estimate), to_mid_side(target))
