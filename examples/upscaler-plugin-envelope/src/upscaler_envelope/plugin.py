"""The components of this plugin."""

from collections.abc import Iterable

from upscaler_core import Component, ModelOptions, hookimpl, option

api_version = 2


class BandEnvelopeOptions(ModelOptions):
    """Options of `band-envelope`."""

    rate: int = option(48_000, ge=8_000, le=384_000, unit="Hz", help="the sample rate it works at")
    bands: int = option(16, ge=4, le=64, help="bands below the cut-off that the network is told")
    hidden: int = option(48, ge=4, le=1024, help="width of the network")


@hookimpl
def upscaler_models() -> Iterable[Component]:
    """Offer the model."""
    return [
        Component(
            "band-envelope",
            "upscaler_envelope.model:BandEnvelope",
            BandEnvelopeOptions,
            "noise above the cut-off, under an envelope that a few thousand weights predict",
        )
    ]
