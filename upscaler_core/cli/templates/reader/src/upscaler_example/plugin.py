"""What this plugin offers."""

from collections.abc import Iterable

from upscaler_core import Component, Options, hookimpl, option

api_version = 2


class DatOptions(Options):
    """Options of `DatReader`."""

    rate: int = option(48_000, unit="Hz", ge=1, le=768_000, help="sample rate of files that do not say theirs")


@hookimpl
def upscaler_readers() -> Iterable[Component]:
    """Offer the reader."""
    return [
        Component(
            "example",
            "upscaler_example.reader:DatReader",
            DatOptions,
            "samples as text, a line each",
            suffixes=(".dat",),
        )
    ]
