"""The options of each exporter. Listings read this module, so it loads no numpy, torch or libsndfile."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import field_validator, model_validator

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

    quality: int = option(
        0,
        ge=0,
        le=9,
        help="variable bit rate: LAME's V0 (best, about 250 kbps) to V9; V1 and on cut the treble from 19,500 Hz down",
    )
    bitrate: Literal[128, 160, 192, 224, 256, 320] | None = option(
        None, unit="kbps", help="constant bit rate, which cuts the treble from 20,000 Hz down; null = variable"
    )

    _bitrate = field_validator("bitrate", mode="before")(_number)

    @model_validator(mode="before")
    @classmethod
    def _from_old_names(cls, values: Any) -> Any:
        """Read the former options `mode` and `kbps`, which version 0.3 takes out."""
        if not isinstance(values, dict) or not {"mode", "kbps"} & values.keys():
            return values
        new = {name: value for name, value in values.items() if name not in ("mode", "kbps")}
        mode = values.get("mode", "vbr")
        if mode not in ("vbr", "cbr"):
            raise ValueError(
                f"mode is now 'bitrate', with a number for a constant bit rate, and was 'vbr' or 'cbr', not {mode!r}"
            )
        return {**new, "bitrate": values.get("kbps", 320)} if mode == "cbr" else new


class OggOptions(Options):
    """Ogg Vorbis: variable bit rate."""

    quality: float = option(
        8.0, ge=0, le=10, help="q10 is best, q8 about 260 kbps; below q6 the treble is cut from 20,000 Hz down"
    )
