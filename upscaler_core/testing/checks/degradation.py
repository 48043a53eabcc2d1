"""The contract of degradations."""

from __future__ import annotations

import torch

from upscaler_core.plugins.components import Kind
from upscaler_core.testing import signals
from upscaler_core.testing.checks.common import changed
from upscaler_core.testing.rules import Subject, rule


@rule(Kind.DEGRADATION, "[channel, time] keeps its shape and dtype, stays finite, and the input stays")
def degradation_shape(subject: Subject) -> str | None:
    x = signals.band_limited(48_000, 20_000, 1.0, channels=2)
    before = x.clone()
    out = subject.built(x, 48_000, torch.Generator().manual_seed(1)).audio
    if out.shape != x.shape or out.dtype != x.dtype:
        return f"{list(x.shape)} {x.dtype} became {list(out.shape)} {out.dtype}"
    return "it returned NaN or infinity" if not bool(out.isfinite().all()) else changed(before, x)


@rule(Kind.DEGRADATION, "all random numbers come from the generator: the same state gives the same result")
def degradation_generator(subject: Subject) -> str | None:
    x = signals.band_limited(48_000, 20_000, 1.0)
    state = torch.get_rng_state()
    first, second = (subject.built(x, 48_000, torch.Generator().manual_seed(1)).audio for _ in range(2))
    if not torch.equal(state, torch.get_rng_state()):
        return "it drew from torch's global generator"
    return None if torch.equal(first, second) else "two calls with the same state differ"
