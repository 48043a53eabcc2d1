"""The options of the metrics. This module imports no torch, so that listings of the components stay fast."""

from typing import Literal

from upscaler_core import Options, option


class LsdOptions(Options):
    """Options of `lsd`."""

    definition: Literal["house", "paper", "ssr_eval"] = option(
        "house",
        help="house: of power, with a floor; paper: of magnitude, half of house; ssr_eval: as that package does",
    )


class CutoffOptions(Options):
    """Options of every metric that looks at one side of the cut-off."""

    cutoff_hz: float = option(8_000.0, gt=0, le=384_000, unit="Hz", help="where the estimate's source ended")


class LsdHfOptions(LsdOptions, CutoffOptions):
    """Options of `lsd-hf`."""


class PesqOptions(Options):
    """Options of `pesq`."""

    mode: Literal["wb", "nb"] = option("wb", help="wide band at 16 kHz (P.862.2), or narrow band at 8 kHz (P.862)")


class StoiOptions(Options):
    """Options of `stoi`."""

    extended: bool = option(False, help="the extended measure, for noise whose level varies")
