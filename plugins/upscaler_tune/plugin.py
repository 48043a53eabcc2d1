"""The command that this plugin offers."""

from __future__ import annotations

from collections.abc import Iterable

from upscaler_core import Component, hookimpl


@hookimpl
def upscaler_commands() -> Iterable[Component]:
    """Offer the command."""
    return [
        Component(
            "tune",
            "upscaler_tune.command:Tune",
            summary="Search for a recipe's best options; several processes and hosts may share a search.",
            extra="ai-audio-upscaler[tune]",
        )
    ]
