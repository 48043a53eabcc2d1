"""The options of each exporter. Listings read this module, so it loads no numpy, torch or libsndfile."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import field_validator

from upscaler_core import Options, option


def _number(value: Any) -> Any:
    """Turn `"24"`, as it comes from a command line, into 24."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


class PcmOptions(Options):
    """The options that every exporter of integer samples has."""

    dither: Literal["tpdf", "shaped", "none"] = option(
        "tpdf",
        help="noise that makes rounding to integers free of distortion; shaped moves it to where the ear is least"
        " sensitive, which is worth its time at 16 bits; digital silence stays silent",
    )

    _bits = field_validator("bits", mode="before", check_fields=False)(_number)


class WavOptions(PcmOptions):
    """WAV: integer or 32-bit float samples."""

    bits: Literal["auto", 16, 24, 32, "float"] = option(
        "auto", help="bits of a sample; auto: float for a floating-point source, otherwise the source's, at least 24"
    )


class FlacOptions(PcmOptions):
    """FLAC: integer samples of up to 24 bits."""

    bits: Literal["auto", 16, 24] = option("auto", help="bits of a sample; auto: 24, the most that FLAC holds here")
    compression: int = option(5, ge=0, le=8, help="0 is fastest, 8 smallest; the samples are the same")


class Mp3Options(Options):
    """MP3: variable or constant bit rate."""

    mode: Literal["vbr", "cbr"] = option("vbr", help="variable or constant bit rate")
    quality: int = option(
        0,
        ge=0,
        le=9,
        help="of vbr: LAME's V0 (best, about 250 kbps) to V9; V1 and on cut the treble from 19,500 Hz down",
    )
    kbps: Literal[128, 160, 192, 224, 256, 320] = option(320, help="of cbr; cuts the treble from 20,000 Hz down")

    _kbps = field_validator("kbps", mode="before")(_number)


class OggOptions(Options):
    """Ogg Vorbis: variable bit rate."""

    quality: float = option(
        8.0, ge=0, le=10, help="q10 is best, q8 about 260 kbps; below q6 the treble is cut from 20,000 Hz down"
    )
