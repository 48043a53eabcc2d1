"""`quantization`: samples rounded to few bits (white paper §3.2).

b bits divide ±1 into steps of 2^(1 − b). Rounding makes an error of variance step² / 12, so that a full-scale sine keeps
6.02·b + 1.76 dB above it (Bennett, "Spectra of quantized signals", 1948); TPDF dither of ±1 step makes the error
independent of the signal and adds 4.77 dB to it (Lipshitz, Wannamaker and Vanderkooy, J. Audio Eng. Soc. 40, 1992).

>>> to_bits(torch.tensor([0.24, 0.3, 0.7, 2.0, -2.0]), 3)
tensor([ 0.2500,  0.2500,  0.7500,  0.7500, -1.0000])
"""

from __future__ import annotations

import torch
from torch import Tensor

from upscaler_core import Degraded
from upscaler_degrade.chance import integer, uniform
from upscaler_degrade.options import QuantizationOptions


class Quantization:
    """The degradation `quantization`. It clips at full scale, as integers do."""

    def __init__(self, options: QuantizationOptions) -> None:
        self.options = options

    def __call__(self, x: Tensor, rate: int, generator: torch.Generator) -> Degraded:
        """Round `[channel, time]`; channels get dither of their own."""
        bits = integer(generator, self.options.min_bits, self.options.max_bits)
        dithered = uniform(generator, 0, 1) < self.options.dither_chance
        drawn: dict[str, float | str] = {"bits": bits, "dither": "tpdf" if dithered else "none"}
        return Degraded(to_bits(x + tpdf(x, bits, generator) if dithered else x, bits), None, drawn)


def to_bits(x: Tensor, bits: int) -> Tensor:
    """Round to the nearest of 2^`bits` levels, from −1 to 1 less one step."""
    half = 2 ** (bits - 1)
    rounded: Tensor = (x * half).round().clamp(-half, half - 1) / half
    return rounded


def tpdf(x: Tensor, bits: int, generator: torch.Generator) -> Tensor:
    """Noise shaped like `x`, of triangular distribution over ±1 step: the difference of two uniform numbers."""
    one, other = torch.rand((2, *x.shape), generator=generator, dtype=x.dtype, device=generator.device).to(x.device)
    noise: Tensor = (one - other) / 2 ** (bits - 1)
    return noise
