"""What this plugin offers."""

from collections.abc import Iterable

from upscaler_core import Component, Options, hookimpl, option

api_version = 2


class HumOptions(Options):
    """Options of `Hum`."""

    max_db: float = option(-40.0, unit="dBFS", ge=-120, le=0, help="the hum's highest level; the lowest is 20 dB below")


@hookimpl
def upscaler_degradations() -> Iterable[Component]:
    """Offer the degradation."""
    return [
        Component(
            "example",
            "upscaler_example.degradation:Hum",
            HumOptions,
            "mains hum at 50 Hz",
        )
    ]
