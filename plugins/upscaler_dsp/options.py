"""The options of this plugin's components, apart from the code that computes, so that listing them does not load torch."""

from typing import Literal

from upscaler_core import Options, option


class SincOptions(Options):
    """Options of `sinc`."""

    zero_crossings: int = option(
        64, ge=4, le=512, unit="zero crossings", help="length of the kernel on each side; more is steeper and slower"
    )
    attenuation_db: float = option(
        120.0, ge=51, le=180, unit="dB", help="how much the Kaiser window attenuates images and aliases"
    )
    rolloff: float = option(
        0.94,
        gt=0,
        le=1,
        unit="of the lower Nyquist",
        help="the -6 dB point; at 1 half of the transition turns into aliases",
    )


class PolySincOptions(Options):
    """Options of `poly-sinc-hq`."""

    dsp_quality: Literal["fast", "balanced", "quality", "exact"] = option(
        "quality", help="images and aliases at -100, -120, -130 dB and a steeper edge each; exact: -170 dB in float64"
    )


class LimiterOptions(Options):
    """Options of `limiter`."""

    ceiling_db: float = option(-1.0, ge=-24, le=0, unit="dB", help="no peak rises above this; 0 is full scale")
    true_peak: bool = option(True, help="hold the peaks between the samples too (dBTP, ITU-R BS.1770-5)")
    lookahead_ms: float = option(5.0, ge=1, le=20, unit="ms", help="how long before a peak the gain begins to fall")
    hold_ms: float = option(10.0, ge=5, le=100, unit="ms", help="how long after a peak the gain stays down")
    release_ms: float = option(
        100.0, ge=20, le=200, unit="ms", help="how long the gain takes from 0 to 1, in a straight line"
    )


class TiltedNoiseOptions(Options):
    """Options of `tilted-noise`."""

    rate: int = option(48_000, ge=8_000, le=768_000, unit="Hz", help="sample rate it works at")
