"""The components of this plugin."""

from collections.abc import Iterable
from typing import ClassVar

from upscaler_core import Component, ModelOptions, hookimpl, option


class SpectralConvNeXtOptions(ModelOptions):
    """Options of `spectral-convnext`."""

    at_run_time: ClassVar[frozenset[str]] = ModelOptions.at_run_time | {"emphasis", "iterations", "other_rates"}

    rate: int = option(48_000, ge=8_000, le=384_000, unit="Hz", help="the sample rate it works at")
    other_rates: tuple[int, ...] = option(
        (44_100, 88_200, 96_000), unit="Hz", help="more rates that it works at, every frequency scaled with the rate"
    )
    channels: int = option(288, ge=16, le=2048, help="width of the network")
    blocks: int = option(8, ge=1, le=64, help="ConvNeXt blocks, each seeing three frames on each side")
    expansion: int = option(3, ge=1, le=8, help="how much wider a block is inside")
    dilation: int = option(
        8, ge=0, le=64, unit="frames", help="between the taps of every second block's wide convolution; 0 = none"
    )
    iterations: int = option(24, ge=0, le=64, help="fast Griffin-Lim steps that make the phases fit the magnitudes")
    emphasis: float = option(
        0.15,
        ge=0,
        le=1,
        help="how much bursts are raised: a share of their excess over the seconds around, at most 3 dB",
    )


@hookimpl
def upscaler_models() -> Iterable[Component]:
    """Offer the model."""
    return [
        Component(
            "spectral-convnext",
            "upscaler_convnext.model:SpectralConvNeXt",
            SpectralConvNeXtOptions,
            "ConvNeXt over spectral frames: magnitudes above the cut-off, with phases that fit them",
        )
    ]
