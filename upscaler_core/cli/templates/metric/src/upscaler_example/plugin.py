"""What this plugin offers."""

from collections.abc import Iterable

from upscaler_core import Component, Options, hookimpl, option

api_version = 2


class SnrOptions(Options):
    """Options of `Snr`."""

    ceiling_db: float = option(120.0, unit="dB", ge=0, le=300, help="what a perfect estimate scores")


@hookimpl
def upscaler_metrics() -> Iterable[Component]:
    """Offer the metric."""
    return [
        Component(
            "example",
            "upscaler_example.metric:Snr",
            SnrOptions,
            "signal to noise ratio, dB",
        )
    ]
