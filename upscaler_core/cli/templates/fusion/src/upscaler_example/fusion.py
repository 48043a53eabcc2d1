"""A fusion: the mean of the models' waveforms."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from upscaler_core import Conditions, Estimate, UsageError

from upscaler_example.plugin import MeanOptions


class Mean:
    """The fusion."""

    receptive_field = 0
    """An output sample depends on the estimates at its place alone."""

    def __init__(self, options: MeanOptions) -> None:
        self.dry = options.dry

    def __call__(self, estimates: Mapping[str, Estimate], baseline: Tensor, conditions: Conditions) -> Tensor:
        """Estimates by the models' names, baseline `[batch, 1, time]` -> `[batch, 1, time]`.

        Raises:
            UsageError: a model gives no waveform.
        """
        waveforms = [estimate.waveform for estimate in estimates.values() if estimate.waveform is not None]
        if len(waveforms) < len(estimates):
            raise UsageError("this fusion needs a waveform from every model")
        return torch.lerp(torch.stack(waveforms).mean(0), baseline, self.dry)
