"""What is minimized: the recipe's losses and the models' own terms, each by name; and the adversaries' other side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from upscaler_core import Registry, UsageError
from upscaler_core.plugins import Adversary, Loss, Trainable
from upscaler_train.recipe import LossRef
from upscaler_train.system import SystemOutput


class Objective:
    """The weighted sum of everything that a recipe minimizes.

    Args:
        uses: the recipe's losses.
        models: those with own terms (`Trainable`) add them, with weight 1.
        registry: where losses are found.

    Raises:
        UsageError: there is nothing to minimize.
    """

    def __init__(self, uses: Sequence[LossRef], models: Mapping[str, Any], registry: Registry) -> None:
        self.losses: dict[str, Loss] = {}
        self.weights: dict[str, float] = {}
        for use in uses:
            name = _free(use.use, self.losses)
            self.losses[name], self.weights[name] = registry.loss(use.use, **use.options), use.weight
        self.models = {name: model for name, model in models.items() if isinstance(model, Trainable)}
        if not self.losses and not self.models:
            raise UsageError("there is nothing to minimize: add losses to the recipe")

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The losses that are modules, by name."""
        return {name: loss for name, loss in self.losses.items() if isinstance(loss, nn.Module)}

    @property
    def adversaries(self) -> dict[str, nn.Module]:
        """The losses with weights of their own to train, by name."""
        return {name: loss for name, loss in self.modules.items() if isinstance(loss, Adversary)}

    def terms(
        self, heard: SystemOutput, waveform: Tensor | None, target: Tensor, inner: Tensor
    ) -> Iterator[tuple[str, Tensor]]:
        """Each term's name and weighted value.

        Args:
            heard: what came of the batch.
            waveform: its waveform `[batch, channel, time]` as far as the target's band reaches; None without losses.
            target: `[batch, channel, time]`, as far as its band reaches.
            inner: the same as the models meet it, `[batch * channel, 1, time]`.
        """
        if waveform is not None:
            for name, loss in self.losses.items():
                yield name, self.weights[name] * loss(waveform, target)
        for name, model in self.models.items():
            own = model.objective(heard.estimates[name], inner, heard.conditions)
            yield from ((f"{name}.{term}", value) for term, value in own.items())


class Critic(nn.Module):
    """An adversary's own side as a module, so that several processes can share its gradient."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, estimate: Tensor, target: Tensor) -> Tensor:
        """What the adversary minimizes."""
        value: Tensor = self.loss.critic(estimate, target)  # type: ignore[operator]
        return value


def _free(name: str, taken: Mapping[str, Any]) -> str:
    return name if name not in taken else next(n for k in range(2, 1000) if (n := f"{name}-{k}") not in taken)
