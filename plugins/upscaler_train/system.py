"""The models with their fusion as one module: from the baseline to what a pipeline would make of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.export import register_dataclass

from upscaler_core import Conditions, EnhancementModel, Estimate, FusionStrategy, UsageError
from upscaler_train.bands import highpass


@dataclass(frozen=True)
class Heard:
    """What came of a batch."""

    waveform: Tensor | None
    """`[batch, channel, time]`, as long and as many channels as the baseline; None where nobody asked."""
    estimates: Mapping[str, Estimate]
    """By model, of `[batch * channel, 1, time]`."""
    about: Conditions
    """As the models were told, of `batch * channel` items."""


for form in (Conditions, Estimate, Heard):
    register_dataclass(form)  # so that FSDP finds the tensors in them


class System(nn.Module):
    """Models, fusion, and the high-pass that keeps the source's band.

    Args:
        models: by name, all of one rate.
        fusion: joins their estimates; one model that returns a waveform needs none.
        keep_source_band: add nothing below each item's cut-off.
        mid_side: two channels meet the models as mid and side.
        seed: for the models' noise.
    """

    def __init__(
        self,
        models: Mapping[str, EnhancementModel],
        fusion: FusionStrategy | None = None,
        *,
        keep_source_band: bool = True,
        mid_side: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        rates = {model.rate for model in models.values()}
        if len(rates) > 1:
            raise UsageError(f"the models of a recipe must work at one rate, not at {sorted(rates)} Hz")
        self.rate = rates.pop()
        able = [set(getattr(model, "other_rates", ())) for model in models.values()]
        self.other_rates = set.intersection(*able)
        self.models = dict(models)
        self.fusion, self.keep_source_band, self.mid_side, self.seed = fusion, keep_source_band, mid_side, seed
        self.trained = nn.ModuleDict({name: m for name, m in models.items() if isinstance(m, nn.Module)})

    def forward(
        self,
        baseline: Tensor,
        cutoff_hz: Tensor,
        start: Tensor,
        bandwidth_hz: Tensor | None = None,
        joined: bool = True,
    ) -> Heard:
        """Baseline `[batch, channel, time]`, cut-offs, positions and the targets' bandwidths `[batch]`.

        `joined` asks for the waveform.
        """
        channels = baseline.shape[1]
        inner = self.inner(baseline)
        about = Conditions(
            cutoff_hz.repeat_interleave(channels),
            start.repeat_interleave(channels),
            self.rate,
            self.seed,
            None if bandwidth_hz is None else bandwidth_hz.repeat_interleave(channels),
        )
        estimates = {name: model(inner, about) for name, model in self.models.items()}
        with torch.autocast(baseline.device.type, enabled=False):
            estimates = {name: _single(estimate) for name, estimate in estimates.items()}
            if not joined:
                return Heard(None, estimates, about)
            fused = self.fusion(estimates, inner, about) if self.fusion else _waveform(estimates)
            if self.keep_source_band:
                fused = inner + highpass(fused - inner, about.cutoff_hz, self.rate)
            return Heard(self._turn(fused.reshape(baseline.shape), 1.0), estimates, about)

    def inner(self, x: Tensor) -> Tensor:
        """`[batch, channel, time]` as the models meet it, `[batch * channel, 1, time]`."""
        return self._turn(x, 0.5).flatten(0, 1)[:, None]

    def _turn(self, x: Tensor, scale: float) -> Tensor:
        """Left and right to mid and side (scale 0.5) and back (scale 1)."""
        if not self.mid_side:
            return x
        left, right = x.unbind(1)
        return torch.stack([left + right, left - right], 1) * scale


def _single(estimate: Estimate) -> Estimate:
    """In float32, whatever the network computed in."""
    fields = {name: getattr(estimate, name) for name in ("waveform", "log_magnitude", "phase")}
    return replace(estimate, **{name: None if t is None else t.float() for name, t in fields.items()})


def _waveform(estimates: Mapping[str, Estimate]) -> Tensor:
    ((name, estimate),) = estimates.items()
    if estimate.waveform is None:
        raise UsageError(f"the model '{name}' gives no waveform: add a fusion to the recipe")
    return estimate.waveform
