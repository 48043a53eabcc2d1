"""The components of this plugin."""

from collections.abc import Iterable

from upscaler_core import Component, Options, hookimpl


@hookimpl
def upscaler_detectors() -> Iterable[Component]:
    """Offer the detectors."""
    return [
        Component(
            "edge-rules",
            "upscaler_bandwidth.edge_rules:EdgeRules",
            Options,
            "one edge for the whole file, by rules made by hand: where all frames fall steeply",
        ),
    ]
