"""The components of this plugin."""

from collections.abc import Iterable

from upscaler_core import Component, hookimpl
from upscaler_dsp.options import LimiterOptions, PolySincOptions, SincOptions, TiltedNoiseOptions


@hookimpl
def upscaler_resamplers() -> Iterable[Component]:
    """Offer the resamplers."""
    return [
        Component("linear", "upscaler_dsp.linear:Linear", summary="straight lines between samples, for comparison"),
        Component("sinc", "upscaler_dsp.sinc:Sinc", SincOptions, "Kaiser-windowed sinc, summed in the time domain"),
        Component(
            "poly-sinc-hq",
            "upscaler_dsp.polyphase:PolySincHQ",
            PolySincOptions,
            "long Kaiser-windowed sinc by fast convolution: the default, fast and transparent",
        ),
    ]


@hookimpl
def upscaler_models() -> Iterable[Component]:
    """Offer the null system."""
    return [
        Component(
            "tilted-noise",
            "upscaler_dsp.tilted_noise:TiltedNoise",
            TiltedNoiseOptions,
            "noise above the cut-off, nothing learned: what a model has to beat",
        )
    ]


@hookimpl
def upscaler_finishers() -> Iterable[Component]:
    """Offer the limiter."""
    return [
        Component(
            "limiter",
            "upscaler_dsp.limiter:Limiter",
            LimiterOptions,
            "look-ahead limiter that holds its ceiling between the samples too (true peak)",
        )
    ]
