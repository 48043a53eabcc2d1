"""The enhancement step: from a baseline to what the models make of it. Inference and training run the same one.

    baseline ─► left/right to mid/side ─► models ─► fusion ─┬─► (−) ─► high-pass ─► mid/side to left/right ─► what is added
                                        └───────────────────┘

Inference runs the models on windows, joins these, and filters the joined signal. Training runs the whole step on one
excerpt, with a gradient.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor

from upscaler_core.dsp import filters
from upscaler_core.dsp.bandwidth import Bandwidth
from upscaler_core.dsp.plan import Plan
from upscaler_core.dsp.stereo import to_left_right, to_mid_side
from upscaler_core.errors import PluginError, UsageError
from upscaler_core.plugins.compatibility import length_multiple, receptive_field
from upscaler_core.plugins.protocols import Conditions, EnhancementModel, Estimate, FusionStrategy

Stereo = Literal["independent", "mid-side"]


@dataclass(frozen=True)
class EnhancementStep:
    """Models, their fusion, and the filter that keeps the source's band.

    Args:
        models: enhancement models by name, with a rate in common.
        fusion: joins the models' estimates. One model that returns a waveform needs none.
        stereo: whether the models process left and right, or mid and side. Other channel counts are independent.
        keep_source_band: add nothing below the edge. False = the white paper's literal fusion.

    Raises:
        UsageError: the models have no rate in common, or several models have no fusion.
    """

    models: Mapping[str, EnhancementModel] = field(default_factory=dict)
    fusion: FusionStrategy | None = None
    stereo: Stereo = "independent"
    keep_source_band: bool = True

    def __post_init__(self) -> None:
        if self.models and not self.rates:
            rates = ", ".join(f"{name}: {model.rate} Hz" for name, model in self.models.items())
            raise UsageError(f"the models must work at one rate, not at {rates}")
        if len(self.models) > 1 and self.fusion is None:
            raise UsageError(f"{len(self.models)} models need a fusion to join them")

    @property
    def rates(self) -> list[int]:
        """The rates, Hz, that all models work at, in the first model's order of preference."""
        offered = [(model.rate, *getattr(model, "other_rates", ())) for model in self.models.values()]
        return [rate for rate in offered[0] if all(rate in rates for rates in offered)]

    @property
    def length_multiple(self) -> int:
        """Samples that the length of a window must be a multiple of."""
        return math.lcm(*(length_multiple(model) for model in self.models.values()))

    @property
    def receptive_field(self) -> int | None:
        """Samples on each side that models and fusion together depend on, as a multiple of `length_multiple`.

        None where one of them is unbounded.
        """
        fields = [receptive_field(model) for model in self.models.values()]
        fusion = receptive_field(self.fusion) if self.fusion else 0
        bounded = [samples for samples in fields if samples is not None]
        if fusion is None or len(bounded) < len(fields):
            return None
        return -(-(max(bounded) + fusion) // self.length_multiple) * self.length_multiple

    def to_models(self, x: Tensor) -> Tensor:
        """`[..., channel, time]` as the models meet it."""
        return to_mid_side(x) if self.stereo == "mid-side" else x

    def from_models(self, x: Tensor) -> Tensor:
        """The inverse of `to_models`."""
        return to_left_right(x) if self.stereo == "mid-side" else x

    def estimate(self, baseline: Tensor, conditions: Conditions) -> dict[str, Estimate]:
        """`[batch, 1, time]` -> each model's estimate by its name, in float32 whatever the network computed in."""
        return {name: _in_float32(model(baseline, conditions)) for name, model in self.models.items()}

    def fuse(self, estimates: Mapping[str, Estimate], baseline: Tensor, conditions: Conditions) -> Tensor:
        """The estimates as one waveform, `[batch, 1, time]` as the baseline.

        Raises:
            UsageError: one model alone gives no waveform, and there is no fusion.
            PluginError: what came has another shape.
        """
        fused = self.fusion(estimates, baseline, conditions) if self.fusion else _only_waveform(estimates)
        if fused.shape != baseline.shape:
            raise PluginError(f"models and fusion returned {list(fused.shape)} for a baseline {list(baseline.shape)}")
        return fused

    def limit_to_added_band(self, fused: Tensor, baseline: Tensor, conditions: Conditions) -> Tensor:
        """The baseline with what `fused` adds above each item's edge; all `[batch, 1, time]`."""
        if not self.keep_source_band:
            return fused
        return baseline + filters.highpass(fused - baseline, conditions.edge_hz, conditions.rate)

    def added_band_plan(self, rate: int, edge: Bandwidth) -> Plan | None:
        """The same filter for streams at `rate` Hz; None where nothing is filtered."""
        return filters.highpass_plan(rate, edge.begin_hz) if self.keep_source_band else None


def _in_float32(estimate: Estimate) -> Estimate:
    views = {name: getattr(estimate, name) for name in ("waveform", "log_magnitude", "phase")}
    changed = {name: x.float() for name, x in views.items() if x is not None and x.dtype != torch.float32}
    return replace(estimate, **changed) if changed else estimate


def _only_waveform(estimates: Mapping[str, Estimate]) -> Tensor:
    ((name, estimate),) = estimates.items()
    if estimate.waveform is None:
        raise UsageError(f"the model '{name}' gives a magnitude, no waveform: the pipeline needs a fusion")
    return estimate.waveform
