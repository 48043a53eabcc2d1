"""What this plugin offers."""

from collections.abc import Iterable

from upscaler_core import Component, hookimpl

api_version = 2


@hookimpl
def upscaler_commands() -> Iterable[Component]:
    """Offer the command."""
    return [
        Component(
            "example",
            "upscaler_example.command:Peak",
            summary="Tell the peak of audio files.",
        )
    ]
