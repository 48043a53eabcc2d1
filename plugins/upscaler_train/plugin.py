"""The command `train`."""

from __future__ import annotations

from collections.abc import Iterable

from upscaler_core import Component, hookimpl


@hookimpl
def upscaler_commands() -> Iterable[Component]:
    """The command that trains the models' weights."""
    return [
        Component(
            "train",
            "upscaler_train.command:Train",
            summary="Train models by a recipe file; continues exactly where it stopped.",
            extra="ai-audio-upscaler[train]",
        )
    ]
