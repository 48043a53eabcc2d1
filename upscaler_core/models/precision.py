"""The precision of a network: float32, or bfloat16 where the processor is fast at it and the result is close.

A model sets `self.dtype = choose_dtype(self, options.precision)` after its weights are loaded, and runs its layers in
`with computing(self):`. Fourier transforms and the sum with the baseline stay outside, in float32.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from upscaler_core.plugins.compatibility import length_multiple
from upscaler_core.plugins.protocols import Conditions, Estimate

MAX_DIFFERENCE_DB = -60
"""`auto` takes bfloat16 if it changes the model's output by at most this, relative to the output."""


def computing(model: Any) -> AbstractContextManager[Any]:
    """The context for a model's layers: autocast to bfloat16 where that was chosen. In training it does
    nothing, because the trainer sets autocast itself."""
    if model.training or model.dtype == torch.float32:
        return nullcontext()
    return torch.autocast(next(model.parameters()).device.type, model.dtype)


def choose_dtype(model: Any, precision: str) -> torch.dtype:
    """Turn the option `precision` into a type.

    Args:
        model: an `EnhancementModel` and `torch.nn.Module` with its weights, in evaluation mode; its `dtype` is set.
        precision: `float32`, `bfloat16`, or `auto`: bfloat16 where the processor multiplies it in hardware
            (AVX512-BF16 or AMX) and the model then returns the same within `MAX_DIFFERENCE_DB`.
    """
    if precision != "auto":
        return torch.bfloat16 if precision == "bfloat16" else torch.float32
    return torch.bfloat16 if fast_at_bfloat16() and _difference_db(model) <= MAX_DIFFERENCE_DB else torch.float32


def fast_at_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 in hardware."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def _difference_db(model: Any) -> float:
    """How much bfloat16 changes the output for a short chord, dB relative to float32's output."""
    multiple = length_multiple(model)
    samples = -(-8192 // multiple) * multiple
    t = torch.arange(samples) / model.rate
    cutoff = model.rate / 6
    chord = sum(torch.sin(2 * math.pi * f * t) * 100 / f for f in torch.arange(440, cutoff, 220).tolist())
    conditions = Conditions(torch.tensor([cutoff]), torch.zeros(1, dtype=torch.int64), model.rate)
    results = []
    for model.dtype in (torch.float32, torch.bfloat16):
        with torch.no_grad():
            results.append(_amplitudes(model(torch.as_tensor(chord)[None, None], conditions)))
    exact, rounded = results
    return 20 * math.log10(float((rounded - exact).norm() / exact.norm()) + 1e-12)


def _amplitudes(estimate: Estimate) -> Tensor:
    if estimate.waveform is not None:
        return estimate.waveform
    assert estimate.log_magnitude is not None  # noqa: S101 - an Estimate has one or the other
    return estimate.log_magnitude.exp()
