"""What this plugin offers."""

from collections.abc import Iterable

from upscaler_core import Component, Options, hookimpl, option

api_version = 2


class MirrorOptions(Options):
    """Options of `Mirror`."""

    level_db: float = option(-30.0, unit="dB", ge=-100, le=0, help="level of what is added, against the source")


@hookimpl
def upscaler_models() -> Iterable[Component]:
    """Offer the model."""
    return [
        Component(
            "example",
            "upscaler_example.model:Mirror",
            MirrorOptions,
            "mirrors the spectrum",
        )
    ]
