"""The components of this plugin."""

from collections.abc import Iterable

from upscaler_core import Component, Options, hookimpl, option


class TorchaudioOptions(Options):
    """Options of `torchaudio`; the defaults are those that its documentation calls "kaiser best"."""

    lowpass_filter_width: int = option(
        64, ge=4, le=512, unit="zero crossings", help="length of the kernel on each side; more is steeper and slower"
    )
    rolloff: float = option(
        0.9475937167399596, gt=0, le=1, unit="of the lower Nyquist", help="the -6 dB point of the low-pass"
    )
    beta: float = option(
        14.769656459379492, ge=0, le=30, help="shape of the Kaiser window; a higher value attenuates images more"
    )


@hookimpl
def upscaler_resamplers() -> Iterable[Component]:
    """Offer the resampler."""
    return [
        Component(
            "torchaudio",
            "upscaler_torchaudio.resampler:Torchaudio",
            TorchaudioOptions,
            "torchaudio's Kaiser-windowed sinc",
            extra="ai-audio-upscaler[torchaudio]",
        )
    ]
