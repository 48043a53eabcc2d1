"""The pipeline's enhancement step as one trainable module, and the training objective."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import register_dataclass

from upscaler_core import Conditions, Estimate, Registry, UsageError
from upscaler_core.pipeline import EnhancementStep
from upscaler_core.plugins import Adversary, Loss, Trainable
from upscaler_train.recipe import LossRef


@dataclass(frozen=True)
class SystemOutput:
    """What a system makes of a batch."""

    waveform: Tensor | None
    """`[batch, channel, time]`, the baseline's shape. None if only the estimates were asked for."""
    estimates: Mapping[str, Estimate]
    """By model, each of `[batch * channel, 1, time]`."""
    conditions: Conditions
    """The models' second argument, for `batch * channel` items."""


for output_type in (Conditions, Estimate, SystemOutput):
    register_dataclass(output_type)  # so that FSDP finds the tensors in them


class System(nn.Module):
    """An enhancement step, the same one that a pipeline runs, as a module whose models are trained.

    Args:
        step: the models, their fusion, and the filter that keeps the source's band.
        seed: for the models' noise.
    """

    def __init__(self, step: EnhancementStep, seed: int = 0) -> None:
        super().__init__()
        self.step, self.seed = step, seed
        self.rate, *others = step.rates
        self.other_rates = frozenset(others)
        self.models = step.models
        self.trained = nn.ModuleDict({name: m for name, m in step.models.items() if isinstance(m, nn.Module)})

    def forward(
        self,
        baseline: Tensor,
        cutoff_hz: Tensor,
        start: Tensor,
        bandwidth_hz: Tensor | None = None,
        with_waveform: bool = True,
    ) -> SystemOutput:
        """Enhance a batch.

        Args:
            baseline: `[batch, channel, time]`.
            cutoff_hz: `[batch]`, where the content of each item ends.
            start: `[batch]`, each item's position in the stream of all excerpts.
            bandwidth_hz: `[batch]`, where the content of each target ends.
            with_waveform: fuse the estimates to a waveform, too.
        """
        channels = baseline.shape[1]
        model_input = self.to_models(baseline)
        conditions = Conditions(
            cutoff_hz.repeat_interleave(channels),
            start.repeat_interleave(channels),
            self.rate,
            self.seed,
            None if bandwidth_hz is None else bandwidth_hz.repeat_interleave(channels),
        )
        estimates = self.step.estimate(model_input, conditions)
        if not with_waveform:
            return SystemOutput(None, estimates, conditions)
        with torch.autocast(baseline.device.type, enabled=False):
            fused = self.step.fuse(estimates, model_input, conditions)
            restored = self.step.limit_to_added_band(fused, model_input, conditions)
            waveform = self.step.from_models(restored.reshape(baseline.shape))
        return SystemOutput(waveform, estimates, conditions)

    def to_models(self, x: Tensor) -> Tensor:
        """`[batch, channel, time]` -> the form of the models' input, `[batch * channel, 1, time]`."""
        return self.step.to_models(x).flatten(0, 1)[:, None]


class Objective:
    """What is minimized: the weighted sum of the recipe's losses and of the models' own terms.

    Args:
        losses: the recipe's.
        models: those with terms of their own (`Trainable`) add them, with weight 1.
        registry: where losses are found.

    Raises:
        UsageError: there is nothing to minimize.
    """

    def __init__(self, losses: Sequence[LossRef], models: Mapping[str, Any], registry: Registry) -> None:
        self.losses: dict[str, Loss] = {}
        self.weights: dict[str, float] = {}
        for loss in losses:
            name = _unused_name(loss.use, self.losses)
            self.losses[name], self.weights[name] = registry.loss(loss.use, loss.options), loss.weight
        self.models = {name: model for name, model in models.items() if isinstance(model, Trainable)}
        if not self.losses and not self.models:
            raise UsageError("there is nothing to minimize: add losses to the recipe")

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The losses that are modules, by name."""
        return {name: loss for name, loss in self.losses.items() if isinstance(loss, nn.Module)}

    @property
    def adversaries(self) -> dict[str, nn.Module]:
        """The losses that have weights of their own to train, by name."""
        return {name: loss for name, loss in self.modules.items() if isinstance(loss, Adversary)}

    def terms(
        self, output: SystemOutput, waveform: Tensor | None, target: Tensor, model_target: Tensor
    ) -> Iterator[tuple[str, Tensor]]:
        """Each term's name and weighted value.

        Args:
            output: the system's output for the batch.
            waveform: its waveform, `[batch, channel, time]`, limited to the target's band; None if there are no losses.
            target: `[batch, channel, time]`, limited to its band.
            model_target: the target in the form of the models' input, `[batch * channel, 1, time]`.
        """
        if waveform is not None:
            for name, loss in self.losses.items():
                yield name, self.weights[name] * loss(waveform, target)
        for name, model in self.models.items():
            own_terms = model.objective(output.estimates[name], model_target, output.conditions)
            yield from ((f"{name}.{term}", value) for term, value in own_terms.items())


class Critic(nn.Module):
    """An adversary's own loss as a module, so that several processes can share its gradient."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, estimate: Tensor, target: Tensor) -> Tensor:
        """What the adversary minimizes, a scalar. Both arguments are `[batch, channel, time]`."""
        value: Tensor = self.loss.critic(estimate, target)  # type: ignore[operator]
        return value


def _unused_name(name: str, used: Mapping[str, Any]) -> str:
    """The name, or the name with the first number that makes it new.

    >>> _unused_name("l1", {"l1": 0, "l1-2": 0})
    'l1-3'
    """
    return name if name not in used else next(n for k in range(2, 1000) if (n := f"{name}-{k}") not in used)
