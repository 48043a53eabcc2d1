"""The contract of losses, and of adversaries."""

from __future__ import annotations

import torch
from torch import Tensor

from upscaler_core.plugins.components import Kind
from upscaler_core.plugins.protocols import Adversary
from upscaler_core.testing import signals
from upscaler_core.testing.rules import Subject, rule


@rule(
    Kind.LOSS,
    "the result is a finite scalar with a finite gradient; but for an adversary's, > 0, and 0 for equal signals",
)
def loss_value(subject: Subject) -> str | None:
    target, estimate = _noisy_pair()
    loss = subject.built(estimate, target)
    loss.backward()
    if loss.dim() or not bool(loss.isfinite()):
        return f"for a noisy estimate it is {loss}"
    if not _has_gradient(estimate):
        return "the gradient is missing, zero or not finite"
    if isinstance(subject.built, Adversary):
        return None
    noisy, equal = float(loss.detach()), float(subject.built(target.clone(), target))
    if noisy <= 0:
        return f"for a noisy estimate it is {noisy}"
    return None if 0 <= equal < 1e-4 * max(1.0, noisy) else f"for equal signals it is {equal}"


@rule(Kind.LOSS, "an adversary's critic moves its own weights alone, and its loss the estimate alone")
def loss_critic(subject: Subject) -> str | None:
    adversary = subject.built
    if not isinstance(adversary, Adversary):
        return None
    if not isinstance(adversary, torch.nn.Module) or not list(adversary.parameters()):
        return "it has no weights"
    target, estimate = _noisy_pair()
    adversary.zero_grad()
    adversary(estimate, target).backward()
    if any(_has_gradient(weight) for weight in adversary.parameters()):
        return "its loss moves its own weights"
    estimate.grad = None
    critic = adversary.critic(estimate, target)
    if critic.dim() or not bool(critic.isfinite()):
        return f"the critic's scalar is {critic}"
    torch.autograd.backward(critic)
    if _has_gradient(estimate):
        return "the critic moves the estimate"
    return (
        None
        if any(_has_gradient(weight) for weight in adversary.parameters())
        else "the critic does not move its weights"
    )


def _noisy_pair() -> tuple[Tensor, Tensor]:
    """A target, and the target with noise as an estimate that takes a gradient: `[1, 1, time]`."""
    target = signals.band_limited(48_000, 20_000, 1.0)[None]
    return target, (target + signals.noise(tuple(target.shape), seed=9)).requires_grad_()


def _has_gradient(x: Tensor) -> bool:
    """Whether `x` has a gradient that is finite and not all zeros."""
    return x.grad is not None and bool(x.grad.isfinite().all()) and bool(x.grad.any())
