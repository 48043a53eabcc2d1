"""The contract of resamplers."""

from __future__ import annotations

import math

import torch

from upscaler_core.dsp.plan import Plan
from upscaler_core.dsp.resample import Resample
from upscaler_core.plugins.components import Kind
from upscaler_core.testing import signals
from upscaler_core.testing.checks.common import blocks, changed, join
from upscaler_core.testing.rules import Subject, rule

RATES = ((44_100, 48_000), (48_000, 96_000), (96_000, 44_100), (8_000, 44_100))
"""Pairs of rates, Hz: up and down, by simple and by awkward ratios."""


@rule(
    Kind.RESAMPLER,
    "a plan's blocks are positive and in the ratio of the rates, its receptive_field and rows are not negative",
)
def resampler_plan(subject: Subject) -> str | None:
    for rate_in, rate_out in RATES:
        plan = subject.built.plan(rate_in, rate_out)
        if not isinstance(plan, Plan):
            return f"plan({rate_in}, {rate_out}) returned {type(plan).__name__}, not a Plan"
        if min(plan.block_in, plan.block_out, plan.rows) < 1 or plan.receptive_field < 0:
            return f"plan({rate_in}, {rate_out}) is {plan}"
        if plan.block_in * rate_out != plan.block_out * rate_in:
            return f"{plan.block_in} samples in and {plan.block_out} out are not {rate_in} to {rate_out}"
    return None


@rule(
    Kind.RESAMPLER,
    "windows [rows, receptive_field + block_in + receptive_field] become [rows, block_out] of the same dtype, unchanged",
)
def resampler_function(subject: Subject) -> str | None:
    for dtype in (torch.float32, torch.float64):
        plan = subject.built.plan(44_100, 48_000)
        windows = signals.noise((plan.rows, plan.block_in + 2 * plan.receptive_field)).to(dtype)
        before = windows.clone()
        out = plan.function(windows, 0)
        if tuple(out.shape) != (plan.rows, plan.block_out) or out.dtype != dtype:
            return f"{list(windows.shape)} {dtype} became {list(out.shape)} {out.dtype}"
        if fault := changed(before, windows):
            return fault
    return None


@rule(Kind.RESAMPLER, "n samples become ceil(n * rate_out / rate_in)")
def resampler_length(subject: Subject) -> str | None:
    for rate_in, rate_out in RATES:
        for n in (0, 1, 2, 1_001):
            length = Resample(subject.built)(torch.zeros(1, n), rate_in, rate_out).shape[-1]
            if length != math.ceil(n * rate_out / rate_in):
                return f"{n} samples at {rate_in} Hz became {length} at {rate_out} Hz"
    return None


@rule(Kind.RESAMPLER, "delay 0 and gain 1: a 20 Hz tone comes out as itself, the error below -44 dB")
def resampler_delay(subject: Subject) -> str | None:
    for rate_in, rate_out in RATES:
        out = Resample(subject.built)(signals.tone(20, rate_in, rate_in // 2)[None], rate_in, rate_out)[0]
        truth = signals.tone(20, rate_out, out.shape[-1])
        inner = slice(len(out) // 4, -len(out) // 4)
        if (level := signals.decibels(out[inner] - truth[inner], truth[inner])) > -44:
            return f"from {rate_in} to {rate_out} Hz the error is {level:.1f} dB"
    return None


@rule(Kind.RESAMPLER, "streamed equals one-shot, bit for bit, for any block sizes")
def resampler_streaming(subject: Subject) -> str | None:
    for rate_in, rate_out in RATES:
        x = signals.noise((2, rate_in))
        resample = Resample(subject.built)
        if not torch.equal(resample(x, rate_in, rate_out), join(resample.stream(blocks(x), rate_in, rate_out))):
            return f"from {rate_in} to {rate_out} Hz they differ"
    return None


@rule(Kind.RESAMPLER, "each channel and item is treated alone: a mono signal equals its channel, bit for bit")
def resampler_channels(subject: Subject) -> str | None:
    x = signals.noise((2, 3, 30_000))
    resample = Resample(subject.built)
    together = resample(x, 44_100, 48_000)
    return None if torch.equal(together[1, 2], resample(x[1, 2], 44_100, 48_000)) else "they differ"
