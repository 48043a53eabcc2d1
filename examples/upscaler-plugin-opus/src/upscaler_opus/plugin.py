"""What this plugin offers."""

from collections.abc import Iterable
from typing import Literal

from upscaler_core import Component, Options, hookimpl, option

api_version = 2


class OpusOptions(Options):
    """Options of `opus`."""

    kbps_a_channel: int = option(
        64,
        unit="kbit/s",
        ge=6,
        le=255,
        help="bit rate of a channel; 64 makes stereo of 128",
    )
    mode: Literal["vbr", "cvbr", "cbr"] = option(
        "vbr", help="variable bit rate, variable within a buffer's bounds, or constant"
    )
    application: Literal["audio", "voip", "lowdelay"] = option(
        "audio", help="what the encoder favours: faithfulness, intelligible speech, or a delay of 5 ms"
    )
    complexity: int = option(10, ge=0, le=10, help="work of the encoder: 0 is fastest, 10 best")


@hookimpl
def upscaler_exporters() -> Iterable[Component]:
    """Offer the exporter."""
    return [
        Component(
            "opus",
            "upscaler_opus.exporter:OpusExporter",
            OpusOptions,
            "Ogg Opus of 6 to 255 kbit/s a channel, up to 48,000 Hz and 8 channels, by ffmpeg",
            suffixes=(".opus",),
        )
    ]
