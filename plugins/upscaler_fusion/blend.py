"""`blend`: the weighted mean of the models' waveforms."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from upscaler_core import Conditions, Estimate, UsageError
from upscaler_fusion.plugin import BlendOptions


class Blend:
    """The fusion `blend`."""

    receptive_field = 0

    def __init__(self, options: BlendOptions) -> None:
        self.weights = options.weights
        if self.weights and abs(sum(self.weights.values())) < 1e-6:
            raise UsageError("blend: the weights must not sum up to 0")

    def __call__(self, estimates: Mapping[str, Estimate], baseline: Tensor, conditions: Conditions) -> Tensor:
        """Waveforms -> `[batch, 1, time]`."""
        weights = self.weights or dict.fromkeys(estimates, 1.0)
        total = baseline.new_zeros(baseline.shape)
        for name, weight in weights.items():
            if name not in estimates:
                raise UsageError(f"blend: there is no model '{name}'; the pipeline's are {', '.join(estimates)}")
            waveform = estimates[name].waveform
            if waveform is None:
                raise UsageError(f"blend: the model '{name}' gives no waveform")
            total = total + weight * waveform
        return total / sum(weights.values())
