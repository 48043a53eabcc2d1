"""What each writer lets its user choose. Light: listings read this without loading numpy, torch or libsndfile."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import field_validator

from upscaler_core import Options, option


class PcmOptions(Options):
    """What every writer of integer samples shares."""

    dither: Literal["tpdf", "none"] = option(
        "tpdf", help="noise that makes rounding to integers free of distortion; digital silence stays silent"
    )

    @field_validator("bits", mode="before", check_fields=False)
    @classmethod
    def _number(cls, value: Any) -> Any:
        """Take `"24"`, as a command line hands it over, for 24."""
        return int(value) if isinstance(value, str) and value.isdecimal() else value


class WavOptions(PcmOptions):
    """WAV: integer or 32-bit float samples."""

    bits: Literal["auto", 16, 24, 32, "float"] = option(
        "auto", help="bits of a sample; auto: float for a floating-point source, otherwise the source's, at least 24"
    )


class FlacOptions(PcmOptions):
    """FLAC: integer samples of up to 24 bits."""

    bits: Literal["auto", 16, 24] = option("auto", help="bits of a sample; auto: 24, the most that FLAC holds here")
    compression: int = option(5, ge=0, le=8, help="0 is fastest, 8 smallest; the samples are the same")
