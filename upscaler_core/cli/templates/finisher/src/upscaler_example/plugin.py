"""What this plugin offers."""

from collections.abc import Iterable

from upscaler_core import Component, Options, hookimpl, option

api_version = 2


class GainOptions(Options):
    """Options of `Gain`."""

    gain_db: float = option(-6.0, unit="dB", ge=-60, le=20, help="gain applied to every sample")


@hookimpl
def upscaler_finishers() -> Iterable[Component]:
    """Offer the finisher."""
    return [
        Component(
            "example",
            "upscaler_example.finisher:Gain",
            GainOptions,
            "a constant gain",
        )
    ]
