"""The contract of finishers."""

from __future__ import annotations

import torch

from upscaler_core.dsp.streaming import run
from upscaler_core.plugins.components import Kind
from upscaler_core.testing import signals
from upscaler_core.testing.checks.common import blocks, changed, join
from upscaler_core.testing.rules import Subject, rule


@rule(
    Kind.FINISHER, "a plan keeps the rate, and its function the windows' channels and dtype and the windows themselves"
)
def finisher_plan(subject: Subject) -> str | None:
    plan = subject.built.plan(48_000)
    if plan.block_in != plan.block_out or plan.block_in < 1 or plan.receptive_field < 0:
        return f"the plan is {plan}"
    for dtype in (torch.float32, torch.float64):
        x = signals.noise((3, plan.block_in + 2 * plan.receptive_field)).to(dtype)
        before = x.clone()
        out = plan.function(x, 0)
        if tuple(out.shape) != (3, plan.block_in) or out.dtype != dtype:
            return f"{list(x.shape)} {dtype} became {list(out.shape)} {out.dtype}"
        if fault := changed(before, x):
            return fault
    return None


@rule(Kind.FINISHER, "streamed equals one-shot, bit for bit")
def finisher_streaming(subject: Subject) -> str | None:
    plan = subject.built.plan(48_000)
    x = signals.gapped(48_000)
    same = torch.equal(join(run(plan, [x], joint=True)), join(run(plan, blocks(x), joint=True)))
    return None if same else "they differ"
