"""One training step: forward, losses, backward, the optimizer, the weights' moving average.

What is random in a step depends on the seed and the step's number alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from upscaler_core import UsageError
from upscaler_core.dsp import lowpass
from upscaler_train.data.excerpts import Batch, seed_of
from upscaler_train.distributed import FullTensors, full_tensor, prepare
from upscaler_train.recipe import OptimizerSpec, RecipeSpec
from upscaler_train.training_system import Critic, Objective, System

if TYPE_CHECKING:
    from accelerate import Accelerator

Pair = tuple[Tensor, Tensor]
"""Estimate and target, `[batch, channel, time]`."""
T = TypeVar("T")


@dataclass(frozen=True)
class StepResult:
    """The result of one training step. The field names are keys of `log.jsonl`."""

    losses: dict[str, float]
    """Weighted, by name."""
    total: float
    """The sum of the losses."""
    critics: dict[str, float]
    """The adversaries' own losses, by name."""
    gradient: float
    """Norm before clipping."""
    learning_rate: float
    applied: bool
    """Whether the weights changed. They do not if the total or the gradient is not a finite number."""


class Trainer:
    """Everything that is trained, and its optimizers.

    Args:
        recipe: the numbers.
        system: the models.
        objective: what is minimized.
        accelerator: device, precision and processes.
        steps: of the whole training, for the schedule.

    Raises:
        UsageError: none of the models has weights to train.
    """

    def __init__(
        self, recipe: RecipeSpec, system: System, objective: Objective, accelerator: Accelerator, steps: int
    ) -> None:
        self.recipe, self.objective, self.accelerator, self.steps = recipe, objective, accelerator, steps
        parameters = [p for p in system.parameters() if p.requires_grad]
        if not parameters:
            raise UsageError(f"none of the models ({', '.join(system.models)}) has weights to train")
        self.unwrapped = system.to(accelerator.device)
        self.average = AveragedModel(self.unwrapped, avg_fn=_moving_average(recipe.ema))
        self.system, self.optimizer = prepare(accelerator, self.unwrapped, _adam(parameters, recipe.optimizer))
        self.parameters = [p for p in self.system.parameters() if p.requires_grad]  # now in parts, if FSDP splits them
        self.system.train()
        self.critics: dict[str, tuple[nn.Module, Any]] = {}
        for module in objective.modules.values():
            module.to(accelerator.device)
        for name, module in objective.adversaries.items():
            optimizer = _adam(list(module.parameters()), recipe.optimizer)
            self.critics[name] = prepare(accelerator, Critic(module), optimizer)

    @property
    def averaged(self) -> System:
        """The system with averaged weights: it is scored, and its weights are written."""
        return cast("System", self.average.module)

    def step(self, number: int, batch: Batch) -> StepResult:
        """Take a step.

        Args:
            number: counts from 0 over the whole training.
            batch: this process's share of the step's excerpts.
        """
        learning_rate = _set_learning_rate(self.optimizer, self.recipe.optimizer, number, self.steps)
        for critic, _ in self.critics.values():
            critic.requires_grad_(False)

        # Forward and backward, in `accumulate` parts. Parts are numbered over the whole training, in all processes.
        parts = batch.split(self.recipe.accumulate)
        first = len(parts) * (number * self.accelerator.num_processes + self.accelerator.process_index)
        values: list[Tensor] = []
        pairs: list[Pair] = []
        for part_number, part in self._accumulate(self.system, list(enumerate(parts, first))):
            terms, part_pairs = self._losses(part_number, part)
            total = torch.stack(list(terms.values())).sum()
            self.accelerator.backward(total / len(parts))
            values.append(torch.stack([*terms.values(), total]).detach())
            pairs += part_pairs

        # The optimizer's step, and the moving average's.
        gradient = self._clip_gradient(self.optimizer, self.parameters)
        *losses, mean_total = self._mean(values).tolist()
        applied = self._apply(math.isfinite(mean_total) and math.isfinite(gradient))

        # The adversaries' own steps, on the same estimates.
        critics = {name: self._train_critic(name, pairs) for name in self.critics} if applied and pairs else {}
        return StepResult(dict(zip(terms, losses, strict=True)), mean_total, critics, gradient, learning_rate, applied)

    def _losses(self, part_number: int, part: Batch) -> tuple[dict[str, Tensor], list[Pair]]:
        """The losses of a part of a step, and its estimate and target for the adversaries: none if there are no losses."""
        torch.manual_seed(seed_of(self.recipe.seed, "step", part_number))
        target, baseline, cutoff, bandwidth, start = (
            field.to(self.accelerator.device, non_blocking=True) for field in part[:5]
        )
        with self.accelerator.autocast():
            output = self.system(baseline, cutoff, start, bandwidth, with_waveform=bool(self.objective.losses))
        rate = self.unwrapped.rate
        target = lowpass(target, bandwidth, rate)
        waveform = None if output.waveform is None else lowpass(output.waveform, bandwidth, rate)
        terms = dict(self.objective.terms(output, waveform, target, self.unwrapped.to_models(target)))
        return terms, [] if waveform is None else [(waveform.detach(), target)]

    def _accumulate(self, module: nn.Module, parts: Sequence[T]) -> Iterator[T]:
        """Parts whose gradients add up. The processes exchange their gradients with the last part only."""
        for part in parts[:-1]:
            with self.accelerator.no_sync(module):
                yield part
        yield parts[-1]

    def _mean(self, values: Sequence[Tensor]) -> Tensor:
        """The mean over all parts of a step, in all processes."""
        mean: Tensor = self.accelerator.reduce(torch.stack(list(values)).mean(0), "mean")
        return mean

    def _clip_gradient(self, optimizer: Any, parameters: list[nn.Parameter]) -> float:
        """Clip the gradient; return its norm before."""
        self.accelerator.unscale_gradients(optimizer)
        return float(full_tensor(nn.utils.clip_grad_norm_(parameters, self.recipe.optimizer.clip)))

    def _apply(self, finite: bool) -> bool:
        """Change the weights if everything is finite; return whether they changed."""
        if finite or self.accelerator.scaler:  # a scaler is stepped even then: it skips the update and lowers its scale
            self.optimizer.step()
        self.optimizer.zero_grad()
        applied = finite and not self.optimizer.step_was_skipped
        if applied:
            self.average.update_parameters(FullTensors(self.unwrapped))
        else:  # the forward pass may have put NaN into running statistics
            for buffer, good in zip(self.unwrapped.buffers(), self.averaged.buffers(), strict=True):
                buffer.copy_(good)
        return applied

    def _train_critic(self, name: str, pairs: Sequence[Pair]) -> float:
        """An adversary's own step; return its loss."""
        critic, optimizer = self.critics[name]
        critic.requires_grad_(True)
        values: list[Tensor] = []
        for estimate, target in self._accumulate(critic, pairs):
            value = critic(estimate, target)
            self.accelerator.backward(value / len(pairs))
            values.append(value.detach())
        if math.isfinite(self._clip_gradient(optimizer, list(critic.parameters()))) or self.accelerator.scaler:
            optimizer.step()
        optimizer.zero_grad()
        return float(self._mean(values))


def learning_rate_at(spec: OptimizerSpec, step: int, steps: int) -> float:
    """The learning rate of a step: a straight rise, then constant or half a cosine down to 0.

    >>> spec = OptimizerSpec(learning_rate=1, warmup=10, schedule="cosine")
    >>> [round(learning_rate_at(spec, step, 110), 3) for step in (0, 9, 10, 60, 109)]
    [0.1, 1.0, 1.0, 0.5, 0.0]
    """
    if step < spec.warmup:
        return spec.learning_rate * (step + 1) / spec.warmup
    if spec.schedule == "constant":
        return spec.learning_rate
    share = (step - spec.warmup) / max(1, steps - spec.warmup)
    return spec.learning_rate * (1 + math.cos(math.pi * min(1.0, share))) / 2


def _set_learning_rate(optimizer: Any, spec: OptimizerSpec, step: int, steps: int) -> float:
    learning_rate = learning_rate_at(spec, step, steps)
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    return learning_rate


def _adam(parameters: list[nn.Parameter], spec: OptimizerSpec) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, spec.learning_rate, spec.betas, weight_decay=spec.weight_decay)


def _moving_average(decay: float) -> Any:
    """A moving average that follows the weights quickly at first."""

    def average(averaged: Tensor, current: Tensor, updates: Tensor | int) -> Tensor:
        count = float(updates)
        return averaged.lerp(current, 1 - min(decay, (1 + count) / (10 + count)))

    return average
