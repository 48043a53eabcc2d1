"""The models with their fusion as one module: from the baseline to what a pipeline would make of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.export import register_dataclass

from upscaler_core import Conditions, Estimate
from upscaler_core.pipeline import EnhancementStep


@dataclass(frozen=True)
class SystemOutput:
    """What a system makes of a batch."""

    waveform: Tensor | None
    """`[batch, channel, time]`, the baseline's shape; None where only the estimates were asked for."""
    estimates: Mapping[str, Estimate]
    """By model, of `[batch * channel, 1, time]`."""
    conditions: Conditions
    """What the models were given, for `batch * channel` items."""


for form in (Conditions, Estimate, SystemOutput):
    register_dataclass(form)  # so that FSDP finds the tensors in them


class System(nn.Module):
    """An enhancement step, the same as a pipeline's, as a module whose models are trained.

    Args:
        step: the models, their fusion, and what is kept of the source.
        seed: for the models' noise.
    """

    def __init__(self, step: EnhancementStep, seed: int = 0) -> None:
        super().__init__()
        self.step, self.seed = step, seed
        self.rate, *others = step.rates
        self.other_rates = frozenset(others)
        self.models = step.models
        self.trained = nn.ModuleDict({name: m for name, m in step.models.items() if isinstance(m, nn.Module)})

    def forward(
        self,
        baseline: Tensor,
        cutoff_hz: Tensor,
        start: Tensor,
        bandwidth_hz: Tensor | None = None,
        joined: bool = True,
    ) -> SystemOutput:
        """Enhance a batch.

        Args:
            baseline: `[batch, channel, time]`.
            cutoff_hz: `[batch]`, where the content of each item ends.
            start: `[batch]`, each item's position in the stream of all excerpts.
            bandwidth_hz: `[batch]`, where the content of each target ends.
            joined: make the waveform too.
        """
        channels = baseline.shape[1]
        model_input = self.to_models(baseline)
        conditions = Conditions(
            cutoff_hz.repeat_interleave(channels),
            start.repeat_interleave(channels),
            self.rate,
            self.seed,
            None if bandwidth_hz is None else bandwidth_hz.repeat_interleave(channels),
        )
        estimates = self.step.estimate(model_input, conditions)
        if not joined:
            return SystemOutput(None, estimates, conditions)
        with torch.autocast(baseline.device.type, enabled=False):
            fused = self.step.fuse(estimates, model_input, conditions)
            restored = self.step.limit_to_added_band(fused, model_input, conditions)
            waveform = self.step.from_models(restored.reshape(baseline.shape))
        return SystemOutput(waveform, estimates, conditions)

    def to_models(self, x: Tensor) -> Tensor:
        """`[batch, channel, time]` as the models meet it, `[batch * channel, 1, time]`."""
        return self.step.to_models(x).flatten(0, 1)[:, None]
