"""Offers the command `tune`."""

from __future__ import annotations

from collections.abc import Iterable

from upscaler_core import Component, hookimpl


@hookimpl
def upscaler_commands() -> Iterable[Component]:
    """What finds a recipe's best numbers."""
    return [
        Component(
            "tune",
            "upscaler_tune.command:Tune",
            summary="Search for a recipe's best options; several processes and hosts may share a search.",
            extra="ai-audio-upscaler[tune]",
        )
    ]
