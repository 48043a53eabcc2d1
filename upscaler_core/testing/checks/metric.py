"""The contract of metrics."""

from __future__ import annotations

import torch

from upscaler_core.plugins.components import Kind
from upscaler_core.testing import signals
from upscaler_core.testing.checks.common import changed
from upscaler_core.testing.rules import Subject, rule


@rule(Kind.METRIC, "it has a unit and a direction, gives one number an item, each by itself, and changes no signal")
def metric_value(subject: Subject) -> str | None:
    metric = subject.built
    if not isinstance(metric.unit, str) or not isinstance(metric.higher_is_better, bool):
        return f"unit {metric.unit!r}, higher_is_better {metric.higher_is_better!r}"
    target = torch.stack([signals.band_limited(48_000, 20_000), signals.band_limited(48_000, 12_000)])
    estimate = target + signals.noise(tuple(target.shape), seed=9)
    before = estimate.clone(), target.clone()
    values = metric(estimate, target, 48_000)
    if fault := changed(before[0], estimate) or changed(before[1], target):
        return fault
    if tuple(values.shape) != (2,):
        return f"for a batch of 2 it returned {list(values.shape)}"
    alone = metric(estimate[1:], target[1:], 48_000)
    return None if torch.allclose(values[1:], alone, rtol=1e-4) else "an item differs from itself alone"


@rule(Kind.METRIC, "a better estimate scores better")
def metric_direction(subject: Subject) -> str | None:
    target = signals.band_limited(48_000, 20_000)[None]
    noise = signals.noise(tuple(target.shape), seed=9)
    good, bad = (float(subject.built(target + level * noise, target, 48_000)) for level in (0.01, 1.0))
    better = good > bad if subject.built.higher_is_better else good < bad
    return None if better else f"an estimate 40 dB closer scores {good:.3g}, the worse one {bad:.3g}"
