"""One step of training: forward, losses, backward, the weights' moving average. Its chance depends on its number alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from upscaler_core import UsageError
from upscaler_train.bands import lowpass
from upscaler_train.excerpts import Batch, seed_of
from upscaler_train.objective import Critic, Objective
from upscaler_train.recipe import OptimizerSpec, RecipeSpec
from upscaler_train.state import optimizer_tensors, over, restore_optimizer, under
from upscaler_train.system import System

if TYPE_CHECKING:
    from accelerate import Accelerator


@dataclass(frozen=True)
class Taken:
    """What came of a step."""

    losses: dict[str, float]
    """By name, weighted."""
    total: float
    critics: dict[str, float]
    """The adversaries' own losses."""
    gradient: float
    """Norm before clipping."""
    learning_rate: float
    applied: bool
    """Whether the weights moved; a loss or gradient that is not a number moves none."""


class Trainer:
    """Everything that learns, and its optimizers.

    Args:
        recipe: the numbers.
        system: the models.
        objective: what is minimized.
        accelerator: device, precision and processes.
        steps: of the whole training, for the schedule.
    """

    def __init__(
        self, recipe: RecipeSpec, system: System, objective: Objective, accelerator: Accelerator, steps: int
    ) -> None:
        self.recipe, self.objective, self.accelerator, self.steps = recipe, objective, accelerator, steps
        self.parameters = [p for p in system.parameters() if p.requires_grad]
        if not self.parameters:
            raise UsageError(f"none of the models ({', '.join(system.models)}) has weights to train")
        self.bare = system.to(accelerator.device)
        self.average = AveragedModel(self.bare, avg_fn=_moving(recipe.ema))
        self.optimizer = accelerator.prepare(_adam(self.parameters, recipe.optimizer))
        self.system = accelerator.prepare(self.bare)
        self.system.train()
        self.critics: dict[str, tuple[nn.Module, Any]] = {}
        for module in objective.modules.values():
            module.to(accelerator.device)
        for name, module in objective.adversaries.items():
            optimizer = accelerator.prepare(_adam(list(module.parameters()), recipe.optimizer))
            self.critics[name] = accelerator.prepare(Critic(module)), optimizer

    @property
    def averaged(self) -> System:
        """The system with averaged weights: what is scored and kept."""
        return cast("System", self.average.module)

    def step(self, number: int, batch: Batch) -> Taken:
        """Take a step; `number` counts from 0 over the whole training."""
        torch.manual_seed(seed_of(self.recipe.seed, "step", number))
        rate = _set_rate(self.optimizer, self.recipe.optimizer, number, self.steps)
        target, baseline, cutoff, bandwidth, start = (
            field.to(self.accelerator.device, non_blocking=True) for field in batch[:5]
        )
        for module, _ in self.critics.values():
            module.requires_grad_(False)
        heard = self.system(baseline, cutoff, start, bandwidth, joined=bool(self.objective.losses))
        target = lowpass(target, bandwidth, self.bare.rate)
        waveform = None if heard.waveform is None else lowpass(heard.waveform, bandwidth, self.bare.rate)
        terms = dict(self.objective.terms(heard, waveform, target, self.bare.inner(target)))
        total = torch.stack(list(terms.values())).sum()
        self.accelerator.backward(total)
        gradient = self._clip(self.optimizer, self.parameters)
        told = torch.stack([*(term.detach() for term in terms.values()), total.detach()])
        *losses, total_value = self.accelerator.reduce(told, "mean").tolist()
        applied = self._apply(math.isfinite(total_value) and math.isfinite(gradient))
        criticized = {}
        if applied and waveform is not None:
            criticized = {name: self._criticize(name, waveform.detach(), target) for name in self.critics}
        return Taken(dict(zip(terms, losses, strict=True)), total_value, criticized, gradient, rate, applied)

    def _apply(self, finite: bool) -> bool:
        """Move the weights where that is sound."""
        if finite or self.accelerator.scaler:  # the scaler itself leaves out what is not finite, and scales less
            self.optimizer.step()
        self.optimizer.zero_grad()
        applied = finite and not self.optimizer.step_was_skipped
        if applied:
            self.average.update_parameters(self.bare)
        else:  # running statistics may have caught what is not a number
            for buffer, good in zip(self.bare.buffers(), self.averaged.buffers(), strict=True):
                buffer.copy_(good)
        return applied

    def _criticize(self, name: str, waveform: Tensor, target: Tensor) -> float:
        """An adversary's own step."""
        critic, optimizer = self.critics[name]
        critic.requires_grad_(True)
        value = critic(waveform, target)
        self.accelerator.backward(value)
        if math.isfinite(self._clip(optimizer, list(critic.parameters()))) or self.accelerator.scaler:
            optimizer.step()
        optimizer.zero_grad()
        return float(value.detach())

    def _clip(self, optimizer: Any, parameters: list[nn.Parameter]) -> float:
        self.accelerator.unscale_gradients(optimizer)
        return float(nn.utils.clip_grad_norm_(parameters, self.recipe.optimizer.clip))

    def tensors(self) -> dict[str, Tensor]:
        """All that was learned, for `restore`."""
        found = {
            **over(self.bare.state_dict(), "system"),
            **over(self.average.state_dict(), "average"),
            **over(optimizer_tensors(self.optimizer), "optimizer"),
        }
        for name, module in self.objective.adversaries.items():
            found |= over(module.state_dict(), f"adversary.{name}")
            found |= over(optimizer_tensors(self.critics[name][1]), f"critic.{name}")
        return found

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `tensors` gave."""
        self.bare.load_state_dict(under(tensors, "system"))
        self.average.load_state_dict(under(tensors, "average"))
        restore_optimizer(self.optimizer, under(tensors, "optimizer"))
        for name, module in self.objective.adversaries.items():
            module.load_state_dict(under(tensors, f"adversary.{name}"))
            restore_optimizer(self.critics[name][1], under(tensors, f"critic.{name}"))


def learning_rate(spec: OptimizerSpec, step: int, steps: int) -> float:
    """The learning rate of a step: a straight rise, then constant or half a cosine down to 0.

    >>> spec = OptimizerSpec(learning_rate=1, warmup=10, schedule="cosine")
    >>> [round(learning_rate(spec, step, 110), 3) for step in (0, 9, 10, 60, 109)]
    [0.1, 1.0, 1.0, 0.5, 0.0]
    """
    if step < spec.warmup:
        return spec.learning_rate * (step + 1) / spec.warmup
    if spec.schedule == "constant":
        return spec.learning_rate
    share = (step - spec.warmup) / max(1, steps - spec.warmup)
    return spec.learning_rate * (1 + math.cos(math.pi * min(1.0, share))) / 2


def _set_rate(optimizer: Any, spec: OptimizerSpec, step: int, steps: int) -> float:
    rate = learning_rate(spec, step, steps)
    for group in optimizer.param_groups:
        group["lr"] = rate
    return rate


def _adam(parameters: list[nn.Parameter], spec: OptimizerSpec) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, spec.learning_rate, spec.betas, weight_decay=spec.weight_decay)


def _moving(decay: float) -> Any:
    """A moving average that follows quickly at first."""

    def average(averaged: Tensor, current: Tensor, updates: Tensor | int) -> Tensor:
        count = float(updates)
        return averaged.lerp(current, 1 - min(decay, (1 + count) / (10 + count)))

    return average
