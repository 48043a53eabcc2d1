"""What this plugin offers."""

from collections.abc import Iterable

from upscaler_core import Component, Options, hookimpl, option

api_version = 2


class MeanOptions(Options):
    """Options of `Mean`."""

    dry: float = option(0.0, ge=0, le=1, help="share of the baseline in the result")


@hookimpl
def upscaler_fusions() -> Iterable[Component]:
    """Offer the fusion."""
    return [
        Component(
            "example",
            "upscaler_example.fusion:Mean",
            MeanOptions,
            "the mean of the models' waveforms",
        )
    ]
