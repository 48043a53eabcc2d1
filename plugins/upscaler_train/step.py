"""One step of training: forward, losses, backward, the weights' moving average. Its chance depends on its number alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from upscaler_core import UsageError
from upscaler_core.dsp import lowpass
from upscaler_train.distributed import shared
from upscaler_train.excerpts import Batch, seed_of
from upscaler_train.objective import Critic, Objective
from upscaler_train.recipe import OptimizerSpec, RecipeSpec
from upscaler_train.sharded import Whole, like, whole
from upscaler_train.state import optimizer_tensors, over, restore_optimizer, under
from upscaler_train.system import System

if TYPE_CHECKING:
    from accelerate import Accelerator

Pair = tuple[Tensor, Tensor]
"""Estimate and target, `[batch, channel, time]`."""
T = TypeVar("T")


@dataclass(frozen=True)
class StepResult:
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
        self.system, self.optimizer = shared(accelerator, self.bare, _adam(self.parameters, recipe.optimizer))
        self.parameters = [p for p in self.system.parameters() if p.requires_grad]  # in parts, where FSDP keeps them so
        self.system.train()
        self.critics: dict[str, tuple[nn.Module, Any]] = {}
        for module in objective.modules.values():
            module.to(accelerator.device)
        for name, module in objective.adversaries.items():
            optimizer = _adam(list(module.parameters()), recipe.optimizer)
            self.critics[name] = shared(accelerator, Critic(module), optimizer)

    @property
    def averaged(self) -> System:
        """The system with averaged weights: what is scored and kept."""
        return cast("System", self.average.module)

    def step(self, number: int, batch: Batch) -> StepResult:
        """Take a step; `number` counts from 0 over the whole training, `batch` is this process's share."""
        rate = _set_rate(self.optimizer, self.recipe.optimizer, number, self.steps)
        for module, _ in self.critics.values():
            module.requires_grad_(False)
        parts = batch.parts(self.recipe.accumulate)
        first = len(parts) * (number * self.accelerator.num_processes + self.accelerator.process_index)
        heard: list[Pair] = []
        told: list[Tensor] = []
        for part in self._accumulated(self.system, list(enumerate(parts, first))):
            terms, pair = self._terms(*part)
            total = torch.stack(list(terms.values())).sum()
            self.accelerator.backward(total / len(parts))
            told.append(torch.stack([*terms.values(), total]).detach())
            heard += pair
        gradient = self._clip(self.optimizer, self.parameters)
        *losses, total_value = self._mean(told).tolist()
        applied = self._apply(math.isfinite(total_value) and math.isfinite(gradient))
        criticized = {name: self._criticize(name, heard) for name in self.critics} if applied and heard else {}
        return StepResult(dict(zip(terms, losses, strict=True)), total_value, criticized, gradient, rate, applied)

    def _terms(self, number: int, part: Batch) -> tuple[dict[str, Tensor], list[Pair]]:
        """The losses of a part of a step, and what its adversaries hear: nothing where no loss asks for a waveform.

        `number` counts from 0 over all parts of the whole training, in all processes.
        """
        torch.manual_seed(seed_of(self.recipe.seed, "step", number))
        target, baseline, cutoff, bandwidth, start = (
            field.to(self.accelerator.device, non_blocking=True) for field in part[:5]
        )
        with self.accelerator.autocast():
            heard = self.system(baseline, cutoff, start, bandwidth, joined=bool(self.objective.losses))
        target = lowpass(target, bandwidth, self.bare.rate)
        waveform = None if heard.waveform is None else lowpass(heard.waveform, bandwidth, self.bare.rate)
        terms = dict(self.objective.terms(heard, waveform, target, self.bare.to_models(target)))
        return terms, [] if waveform is None else [(waveform.detach(), target)]

    def _accumulated(self, module: nn.Module, parts: Sequence[T]) -> Iterator[T]:
        """Parts whose gradients add up; with the last one's the processes exchange them."""
        for part in parts[:-1]:
            with self.accelerator.no_sync(module):
                yield part
        yield parts[-1]

    def _mean(self, parts: Sequence[Tensor]) -> Tensor:
        """Of all parts of a step, in all processes."""
        mean: Tensor = self.accelerator.reduce(torch.stack(list(parts)).mean(0), "mean")
        return mean

    def _apply(self, finite: bool) -> bool:
        """Move the weights where that is sound."""
        if finite or self.accelerator.scaler:  # the scaler itself leaves out what is not finite, and scales less
            self.optimizer.step()
        self.optimizer.zero_grad()
        applied = finite and not self.optimizer.step_was_skipped
        if applied:
            self.average.update_parameters(Whole(self.bare))
        else:  # running statistics may have caught what is not a number
            for buffer, good in zip(self.bare.buffers(), self.averaged.buffers(), strict=True):
                buffer.copy_(good)
        return applied

    def _criticize(self, name: str, heard: Sequence[Pair]) -> float:
        """An adversary's own step."""
        critic, optimizer = self.critics[name]
        critic.requires_grad_(True)
        told: list[Tensor] = []
        for estimate, target in self._accumulated(critic, heard):
            value = critic(estimate, target)
            self.accelerator.backward(value / len(heard))
            told.append(value.detach())
        if math.isfinite(self._clip(optimizer, list(critic.parameters()))) or self.accelerator.scaler:
            optimizer.step()
        optimizer.zero_grad()
        return float(self._mean(told))

    def _clip(self, optimizer: Any, parameters: list[nn.Parameter]) -> float:
        self.accelerator.unscale_gradients(optimizer)
        return float(whole(nn.utils.clip_grad_norm_(parameters, self.recipe.optimizer.clip)))

    def tensors(self) -> dict[str, Tensor]:
        """All that was learned, for `restore`; whole, for which all processes must ask."""
        found = {
            **over(self.bare.state_dict(), "system"),
            **over(self.average.state_dict(), "average"),
            **over(optimizer_tensors(self.optimizer), "optimizer"),
        }
        for name, module in self.objective.adversaries.items():
            found |= over(module.state_dict(), f"adversary.{name}")
            found |= over(optimizer_tensors(self.critics[name][1]), f"critic.{name}")
        return {name: whole(tensor) for name, tensor in found.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `tensors` gave."""
        weights = self.bare.state_dict()
        self.bare.load_state_dict({name: like(t, weights[name]) for name, t in under(tensors, "system").items()})
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
