"""The components of this plugin."""

from collections.abc import Iterable

from upscaler_bandwidth.options import EdgeNetOptions
from upscaler_core import Component, Options, hookimpl


@hookimpl
def upscaler_detectors() -> Iterable[Component]:
    """Offer the detectors."""
    return [
        Component(
            "edge-net",
            "upscaler_bandwidth.edge_net:EdgeNet",
            EdgeNetOptions,
            "a small network finds where the content ends, over time, and says how sure it is",
        ),
        Component(
            "edge-rules",
            "upscaler_bandwidth.edge_rules:EdgeRules",
            Options,
            "one edge for the whole file, by rules made by hand: where all frames fall steeply",
        ),
    ]
