"""The contract of fusions."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

import torch
from torch import Tensor

from upscaler_core.dsp.stft import StftConfig, stft
from upscaler_core.plugins.components import Kind
from upscaler_core.plugins.protocols import Estimate
from upscaler_core.testing import signals
from upscaler_core.testing.checks.common import changed
from upscaler_core.testing.checks.model import conditions, views
from upscaler_core.testing.rules import Subject, rule


class _AnyName(dict[str, Estimate]):
    """Estimates under whatever names a fusion wants."""

    def __missing__(self, key: str) -> Estimate:
        return next(iter(self.values()))


def _estimates(x: Tensor) -> Mapping[str, Estimate]:
    """Two equal estimates with every view."""
    grid = StftConfig()
    spectrum = stft(x, grid)
    estimate = Estimate(x, spectrum.abs().clamp(min=1e-7).log(), spectrum.angle(), grid)
    return _AnyName(a=estimate, b=estimate)


@rule(Kind.FUSION, "estimates and baseline [batch, 1, time] become [batch, 1, time], finite, twice the same")
def fusion_shape(subject: Subject) -> str | None:
    x = signals.noise((2, 1, 16_384))
    estimates = _estimates(x)
    out, again = (subject.built(estimates, x, conditions(48_000, 2)) for _ in range(2))
    if out.shape != x.shape:
        return f"{list(x.shape)} became {list(out.shape)}"
    if not bool(out.isfinite().all()):
        return "it returned NaN or infinity"
    return None if torch.equal(out, again) else "two calls differ"


@rule(Kind.FUSION, "the estimates and the baseline are left as they were")
def fusion_inputs(subject: Subject) -> str | None:
    x = signals.noise((1, 1, 16_384))
    estimates = _estimates(x)
    before = [view.clone() for view in chain([x], *(views(e) for e in estimates.values()))]
    subject.built(estimates, x, conditions(48_000, 1))
    after = chain([x], *(views(e) for e in estimates.values()))
    return next((fault for a, b in zip(before, after, strict=True) if (fault := changed(a, b))), None)
