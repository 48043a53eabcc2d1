"""What this plugin offers."""

from collections.abc import Iterable

from upscaler_core import Component, Options, hookimpl, option

api_version = 2


class DatOptions(Options):
    """Options of `DatExporter`."""

    digits: int = option(9, ge=1, le=17, help="significant digits of a sample; 9 hold a 32-bit float exactly")


@hookimpl
def upscaler_exporters() -> Iterable[Component]:
    """Offer the exporter."""
    return [
        Component(
            "example",
            "upscaler_example.exporter:DatExporter",
            DatOptions,
            "samples as text, a line each, to plot",
            suffixes=(".dat",),
        )
    ]
