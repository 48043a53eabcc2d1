"""What this plugin offers."""

from collections.abc import Iterable

from upscaler_core import Component, Options, hookimpl, option

api_version = 2


class ThresholdOptions(Options):
    """Options of `Threshold`."""

    depth_db: float = option(60.0, unit="dB", ge=10, le=120, help="what is this far below the loudest is no content")


@hookimpl
def upscaler_detectors() -> Iterable[Component]:
    """Offer the detector."""
    return [
        Component(
            "example",
            "upscaler_example.detector:Threshold",
            ThresholdOptions,
            "the highest frequency with a level above a threshold",
        )
    ]
