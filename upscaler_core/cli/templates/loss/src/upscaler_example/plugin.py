"""What this plugin offers."""

from collections.abc import Iterable

from upscaler_core import Component, Options, hookimpl, option

api_version = 2


class LogCoshOptions(Options):
    """Options of `LogCosh`."""

    scale: float = option(0.01, gt=0, le=1, help="errors below it count by their square, larger ones by their size")


@hookimpl
def upscaler_losses() -> Iterable[Component]:
    """Offer the loss."""
    return [
        Component(
            "example",
            "upscaler_example.loss:LogCosh",
            LogCoshOptions,
            "log cosh of the error",
        )
    ]
