"""The options of the degradations: the ranges of their random settings.

This module imports no torch, so that listings of the components stay fast.
"""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from upscaler_core import Options, option

FilterKind = Literal["brickwall", "windowed-sinc", "butterworth", "chebyshev-1", "chebyshev-2", "elliptic", "bessel"]
Mp3Kbps = Literal[64, 80, 96, 112, 128, 160, 192, 224, 256, 320]
"""The bit rates of MPEG-1 from 64 kbps on. libsndfile decodes lower ones to another length."""
NoiseKind = Literal["white", "pink", "hiss", "hum"]
StereoChange = Literal["keep", "swap", "polarity", "mono", "width"]


class Ranged(Options):
    """Options in pairs `min_x` and `max_x`: the ends of the range of a random number."""

    @model_validator(mode="after")
    def _ordered(self) -> Ranged:
        for name in type(self).model_fields:
            if name.startswith("min_"):
                least, most = getattr(self, name), getattr(self, f"max_{name[4:]}")
                if least > most:
                    raise ValueError(f"{name} ({least:g}) must not exceed max_{name[4:]} ({most:g})")
        return self


class BandLimitOptions(Ranged):
    """Options of `band-limit`. The white paper (§3.2) uses cut-offs from 8 to 12 kHz."""

    min_hz: float = option(2_000.0, ge=20, le=192_000, unit="Hz", help="lowest cut-off (-6 dB), drawn log-uniformly")
    max_hz: float = option(16_000.0, ge=20, le=192_000, unit="Hz", help="highest cut-off; from Nyquist on, none is cut")
    kinds: tuple[FilterKind, ...] = option(
        ("brickwall", "windowed-sinc", "butterworth", "chebyshev-1", "chebyshev-2", "elliptic", "bessel"),
        min_length=1,
        help="filters drawn from, each as likely",
    )
    min_order: int = option(2, ge=2, le=12, help="lowest order of an analogue kind")
    max_order: int = option(
        12, ge=2, le=12, help="highest order; elliptic takes the power of two at or below the drawn one"
    )
    min_ripple_db: float = option(0.1, ge=0.01, le=3, unit="dB", help="least pass-band ripple (chebyshev-1, elliptic)")
    max_ripple_db: float = option(2.0, ge=0.01, le=3, unit="dB", help="most pass-band ripple")
    min_attenuation_db: float = option(
        30.0, ge=20, le=120, unit="dB", help="least stop-band attenuation (chebyshev-2, elliptic)"
    )
    max_attenuation_db: float = option(80.0, ge=20, le=120, unit="dB", help="most stop-band attenuation")
    min_transition: float = option(
        0.01, ge=0.001, le=1, unit="of the cut-off", help="narrowest transition of a windowed sinc, drawn log-uniformly"
    )
    max_transition: float = option(0.4, ge=0.001, le=1, unit="of the cut-off", help="widest transition")


class QuantizationOptions(Ranged):
    """Options of `quantization`."""

    min_bits: int = option(8, ge=2, le=24, unit="bits", help="fewest bits of a sample")
    max_bits: int = option(12, ge=2, le=24, unit="bits", help="most bits of a sample")
    dither_chance: float = option(0.5, ge=0, le=1, help="how often TPDF dither comes before the rounding")


class Mp3Options(Ranged):
    """Options of `mp3`."""

    min_kbps: Mp3Kbps = option(64, unit="kbps", help="lowest constant bit rate")
    max_kbps: Mp3Kbps = option(128, unit="kbps", help="highest constant bit rate")
    vbr_chance: float = option(0.3, ge=0, le=1, help="how often the bit rate is variable instead")
    min_v: int = option(2, ge=0, le=9, help="best variable quality: LAME's V0 is best")
    max_v: int = option(9, ge=0, le=9, help="worst variable quality")


class VorbisOptions(Ranged):
    """Options of `vorbis`."""

    min_quality: int = option(0, ge=0, le=10, help="lowest quality, q0 … q10")
    max_quality: int = option(5, ge=0, le=10, help="highest quality")


class OpusOptions(Ranged):
    """Options of `opus`."""

    min_kbps: int = option(64, ge=64, le=256, unit="kbps a channel", help="lowest bit rate, drawn log-uniformly")
    max_kbps: int = option(128, ge=64, le=256, unit="kbps a channel", help="highest bit rate")


class AacOptions(Ranged):
    """Options of `aac`."""

    min_kbps: int = option(48, ge=16, le=256, unit="kbps", help="lowest constant bit rate, drawn log-uniformly")
    max_kbps: int = option(128, ge=16, le=256, unit="kbps", help="highest constant bit rate")


class NoiseFloorOptions(Ranged):
    """Options of `noise-floor`."""

    kinds: tuple[NoiseKind, ...] = option(
        ("white", "pink", "hiss", "hum"), min_length=1, help="noises drawn from, each as likely"
    )
    min_db: float = option(-90.0, ge=-160, le=0, unit="dBFS", help="lowest RMS level; 0 is a full-scale square wave")
    max_db: float = option(-50.0, ge=-160, le=0, unit="dBFS", help="highest RMS level")


class LevelOptions(Ranged):
    """Options of `level`."""

    min_db: float = option(-12.0, ge=-60, le=40, unit="dB", help="lowest gain")
    max_db: float = option(3.0, ge=-60, le=40, unit="dB", help="highest gain")
    clip: bool = option(False, help="cut off at full scale what rises above it; otherwise it is kept, as floats can")


class RemixOptions(Ranged):
    """Options of `remix`."""

    changes: tuple[StereoChange, ...] = option(
        ("keep", "swap", "polarity", "mono", "width"), min_length=1, help="what is drawn from, each as likely"
    )
    min_side_db: float = option(-12.0, ge=-60, le=20, unit="dB", help="lowest gain of the side signal, for width")
    max_side_db: float = option(3.0, ge=-60, le=20, unit="dB", help="highest gain of the side signal")
