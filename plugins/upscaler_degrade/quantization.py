"""`quantization`: samples rounded to few bits (white paper §3.2).

b bits divide ±1 into steps of 2^(1 − b). Rounding makes an error of variance step² / 12, so that a full-scale sine lies
6.02·b + 1.76 dB above it (Bennett, "Spectra of quantized signals", 1948). TPDF dither of ±1 step makes the error
independent of the signal and 4.77 dB larger (Lipshitz, Wannamaker and Vanderkooy, J. Audio Eng. Soc. 40, 1992).

>>> round_to_bits(torch.tensor([0.24, 0.3, 0.7, 2.0, -2.0]), 3)
tensor([ 0.2500,  0.2500,  0.7500,  0.7500, -1.0000])
"""

from __future__ import annotations

import torch
from torch import Tensor

from upscaler_core import Degraded
from upscaler_degrade.options import QuantizationOptions
from upscaler_degrade.random_numbers import integer, uniform


class Quantization:
    """The degradation `quantization`. It clips at full scale, as integer formats do."""

    def __init__(self, options: QuantizationOptions) -> None:
        self.options = options

    def __call__(self, x: Tensor, rate: int, generator: torch.Generator) -> Degraded:
        """Round `[channel, time]`; each channel gets its own dither."""
        bits = integer(generator, self.options.min_bits, self.options.max_bits)
        dithered = uniform(generator, 0, 1) < self.options.dither_chance
        parameters: dict[str, float | str] = {"bits": bits, "dither": "tpdf" if dithered else "none"}
        return Degraded(round_to_bits(x + tpdf_dither(x, bits, generator) if dithered else x, bits), None, parameters)


def round_to_bits(x: Tensor, bits: int) -> Tensor:
    """Round to the nearest of 2^`bits` levels, which go from −1 to one step below 1."""
    half = 2 ** (bits - 1)
    rounded: Tensor = (x * half).round().clamp(-half, half - 1) / half
    return rounded


def tpdf_dither(x: Tensor, bits: int, generator: torch.Generator) -> Tensor:
    """Noise of the same shape as `x`, triangularly distributed over ±1 step: the difference of two uniform numbers."""
    first, second = torch.rand((2, *x.shape), generator=generator, dtype=x.dtype, device=generator.device).to(x.device)
    noise: Tensor = (first - second) / 2 ** (bits - 1)
    return noise
