"""The command that this plugin offers."""

from collections.abc import Iterable

from upscaler_core import Component, hookimpl


@hookimpl
def upscaler_commands() -> Iterable[Component]:
    """Offer the command."""
    summary = "Score pipelines on recordings, or one audio file against another."
    return [Component("evaluate", "upscaler_evaluate.command:Evaluate", summary=summary)]
