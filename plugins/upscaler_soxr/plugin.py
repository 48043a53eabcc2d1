"""The components of this plugin."""

from collections.abc import Iterable
from typing import Literal

from upscaler_core import Component, Options, hookimpl, option


class SoxrOptions(Options):
    """Options of `soxr`."""

    quality: Literal["VHQ", "HQ", "MQ", "LQ"] = option("VHQ", help="the library's own names, from very high to low")


@hookimpl
def upscaler_resamplers() -> Iterable[Component]:
    """Offer the resampler."""
    return [
        Component(
            "soxr",
            "upscaler_soxr.resampler:Soxr",
            SoxrOptions,
            "the SoX resampler library",
            extra="ai-audio-upscaler[soxr]",
        )
    ]
