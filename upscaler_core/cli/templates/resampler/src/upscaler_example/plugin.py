"""What this plugin offers."""

from collections.abc import Iterable

from upscaler_core import Component, Options, hookimpl, option

api_version = 2


class NearestOptions(Options):
    """Options of `Nearest`."""

    window: int = option(4_800, unit="samples", ge=100, le=100_000, help="about how many input samples a window has")


@hookimpl
def upscaler_resamplers() -> Iterable[Component]:
    """Offer the resampler."""
    return [
        Component(
            "example",
            "upscaler_example.resampler:Nearest",
            NearestOptions,
            "repeats samples",
        )
    ]
