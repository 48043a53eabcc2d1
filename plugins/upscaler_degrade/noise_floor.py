"""`noise-floor`: what recordings have beneath them.

White noise is shaped in the frequency domain: pink falls by 3 dB an octave (from 20 Hz on); hiss rises by up to 6 dB an
octave from 2 kHz, as replay equalization raises the noise of tape, until the heads' losses turn it at 12 kHz. Hum is the
mains frequency, 50 or 60 Hz, with harmonics up to the 20th that fall by 6 dB an octave on the whole, each of drawn
amplitude and phase; all channels share it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from upscaler_core import Degraded
from upscaler_degrade.chance import choice, uniform
from upscaler_degrade.options import NoiseFloorOptions, NoiseKind
from upscaler_degrade.spectrum import filtered

HARMONICS = 20


class NoiseFloor:
    """The degradation `noise-floor`. Channels get noise of their own, and the same hum."""

    def __init__(self, options: NoiseFloorOptions) -> None:
        self.options = options

    def __call__(self, x: Tensor, rate: int, generator: torch.Generator) -> Degraded:
        """Add noise to `[channel, time]`, its RMS over all channels at the drawn level."""
        kind = choice(generator, self.options.kinds)
        level = uniform(generator, self.options.min_db, self.options.max_db)
        noise = hum(x.shape[-1], rate, generator) if kind == "hum" else shaped(tuple(x.shape), rate, kind, generator)
        noise = noise * (10 ** (level / 20) / noise.square().mean().sqrt().clamp(min=1e-12))
        return Degraded(x + noise.to(x), None, {"kind": kind, "level_db": level})


def shaped(shape: tuple[int, ...], rate: int, kind: NoiseKind, generator: torch.Generator) -> Tensor:
    """White, pink or hissing noise `[channel, time]`, float32, of no certain level."""
    white = torch.randn(shape, generator=generator, device=generator.device)
    if kind == "white":
        return white
    return filtered(white, rate, pink if kind == "pink" else hiss)


def pink(f: Tensor) -> Tensor:
    """Gains at frequencies in Hz."""
    return f.clamp(min=20).rsqrt()


def hiss(f: Tensor) -> Tensor:
    """Gains at frequencies in Hz."""
    return ((1 + (f / 2_000) ** 2) / (1 + (f / 12_000) ** 4)).sqrt()


def hum(samples: int, rate: int, generator: torch.Generator) -> Tensor:
    """Mains hum `[1, time]`, float32, of no certain level; harmonics stay below Nyquist."""
    mains = choice(generator, (50.0, 60.0))
    amplitudes, phases = torch.rand((2, HARMONICS), generator=generator, dtype=torch.float64, device=generator.device)
    k = torch.arange(1, HARMONICS + 1, dtype=torch.float64, device=generator.device)
    amplitudes = torch.where(mains * k < rate / 2, amplitudes / k, 0)
    angle = 2 * math.pi * mains / rate * torch.arange(samples, dtype=torch.float64, device=generator.device)
    return (amplitudes @ torch.sin(torch.outer(k, angle) + 2 * math.pi * phases[:, None]))[None].float()
