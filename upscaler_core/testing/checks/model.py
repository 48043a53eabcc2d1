"""The contract of models."""

from __future__ import annotations

import torch
from torch import Tensor

from upscaler_core.plugins.compatibility import length_multiple, receptive_field
from upscaler_core.plugins.components import Kind
from upscaler_core.plugins.protocols import Conditions, EnhancementModel, Estimate
from upscaler_core.testing import signals
from upscaler_core.testing.checks.common import changed
from upscaler_core.testing.rules import Subject, rule


def conditions(rate: int, batch: int) -> Conditions:
    """Conditions for windows at the start of a stream whose content ends at a third of the band."""
    return Conditions(torch.full((batch,), rate / 6.0), torch.zeros(batch, dtype=torch.int64), rate, seed=1)


def views(estimate: Estimate) -> list[Tensor]:
    """The tensors of an estimate."""
    return [t for t in (estimate.waveform, estimate.log_magnitude, estimate.phase) if t is not None]


def _window(model: EnhancementModel) -> int:
    """A length that the model takes, and in which its receptive field fits twice."""
    size, multiple = max(16_384, 4 * (receptive_field(model) or 0)), length_multiple(model)
    return -(-size // multiple) * multiple


def _views_at(estimate: Estimate, sample: int) -> list[Tensor]:
    """Every view at a sample, or at the last frame whose centre is not beyond it."""
    frame = sample // estimate.grid.hop if estimate.grid else 0
    return [view[..., sample if view is estimate.waveform else frame] for view in views(estimate)]


def _close(a: Estimate, b: Estimate, items: slice) -> bool:
    """Whether some items of one estimate equal another estimate up to -80 dB."""
    return all(signals.decibels(x[items] - y, y) < -80 for x, y in zip(views(a), views(b), strict=True))


@rule(Kind.MODEL, "rate and length_multiple are positive whole numbers, receptive_field is one, 0 or None")
def model_attributes(subject: Subject) -> str | None:
    rate, multiple, field = subject.built.rate, length_multiple(subject.built), receptive_field(subject.built)
    positive = all(isinstance(value, int) and value >= 1 for value in (rate, multiple))
    if positive and (field is None or (isinstance(field, int) and field >= 0)):
        return None
    return f"rate {rate!r}, length_multiple {multiple!r}, receptive_field {field!r}"


@rule(Kind.MODEL, "at each of its `other_rates` it returns the same, every frequency scaled with the rate")
def model_rates(subject: Subject) -> str | None:
    model = subject.built
    x = signals.noise((1, 1, _window(model)))
    with torch.no_grad():
        estimate = model(x, conditions(model.rate, 1))
        for rate in getattr(model, "other_rates", ()):
            if not _close(model(x, conditions(rate, 1)), estimate, slice(None)):
                return f"at {rate} Hz it differs by more than -80 dB"
    return None


@rule(Kind.MODEL, "[batch, 1, time] becomes an Estimate of the same length, finite, and the input stays")
def model_shape(subject: Subject) -> str | None:
    model = subject.built
    x = signals.noise((2, 1, _window(model)))
    before = x.clone()
    with torch.no_grad():
        estimate = model(x, conditions(model.rate, 2))
    if not isinstance(estimate, Estimate):
        return f"it returned {type(estimate).__name__}"
    if not all(bool(view.isfinite().all()) for view in views(estimate)):
        return "it returned NaN or infinity"
    if estimate.waveform is not None and estimate.waveform.shape != x.shape:
        return f"{list(x.shape)} became {list(estimate.waveform.shape)}"
    if estimate.log_magnitude is not None and estimate.grid is not None:
        shape = (2, 1, estimate.grid.n_fft // 2 + 1, x.shape[-1] // estimate.grid.hop + 1)
        if tuple(estimate.log_magnitude.shape) != shape:
            return f"the log-magnitude is {list(estimate.log_magnitude.shape)}, not {list(shape)}"
    return changed(before, x)


@rule(Kind.MODEL, "the same input, conditions and seed give the same output")
def model_determinism(subject: Subject) -> str | None:
    model = subject.built
    x = signals.noise((1, 1, _window(model)))
    with torch.no_grad():
        first, second = (model(x, conditions(model.rate, 1)) for _ in range(2))
    same = all(torch.equal(a, b) for a, b in zip(views(first), views(second), strict=True))
    return None if same else "two calls differ"


@rule(Kind.MODEL, "items of a batch do not affect each other")
def model_batch(subject: Subject) -> str | None:
    model = subject.built
    x = signals.noise((2, 1, _window(model)))
    with torch.no_grad():
        both, alone = model(x, conditions(model.rate, 2)), model(x[1:], conditions(model.rate, 1))
    return None if _close(both, alone, slice(1, 2)) else "an item differs from itself alone by more than -80 dB"


@rule(Kind.MODEL, "an output sample depends on nothing beyond the declared receptive_field")
def model_receptive_field(subject: Subject) -> str | None:
    model = subject.built
    field, multiple = receptive_field(model), length_multiple(model)
    if field is None:
        return None
    x = signals.noise((1, 1, _window(model)))
    middle = x.shape[-1] // 2 // multiple * multiple
    y = x.clone()
    y[..., middle + field + 1 :] += 0.1
    y[..., : middle - field] += 0.1
    with torch.no_grad():
        a, b = (_views_at(model(windows, conditions(model.rate, 1)), middle) for windows in (x, y))
    moved = max(float((u - v).abs().max()) for u, v in zip(a, b, strict=True))
    return None if moved < 1e-4 else f"a change beyond {field} samples moved the output by {moved:.2g}"
