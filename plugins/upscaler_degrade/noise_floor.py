"""`noise-floor`: the background noise of recordings.

White noise is shaped in the frequency domain. Pink noise falls by 3 dB an octave (from 20 Hz on). Hiss rises by up to 6 dB
an octave from 2 kHz, because replay equalization raises the noise of tape, and falls again from 12 kHz because of the losses
of the heads. Hum is the mains frequency, 50 or 60 Hz, with harmonics up to the 20th. These fall by 6 dB an octave on
average; each has a random amplitude and phase. All channels have the same hum.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from upscaler_core import Degraded
from upscaler_degrade.frequency_domain import filter_zero_phase
from upscaler_degrade.options import NoiseFloorOptions, NoiseKind
from upscaler_degrade.random_numbers import choice, uniform

HARMONICS = 20
"""Number of harmonics of the hum, the mains frequency included. The last ones, at 1 kHz or more, are 26 dB weaker."""


class NoiseFloor:
    """The degradation `noise-floor`. Each channel gets its own noise; all channels get the same hum."""

    def __init__(self, options: NoiseFloorOptions) -> None:
        self.options = options

    def __call__(self, x: Tensor, rate: int, generator: torch.Generator) -> Degraded:
        """Add noise to `[channel, time]`. The random level is the noise's RMS over all channels."""
        kind = choice(generator, self.options.kinds)
        level = uniform(generator, self.options.min_db, self.options.max_db)
        noise = (
            hum(x.shape[-1], rate, generator) if kind == "hum" else colored_noise(tuple(x.shape), rate, kind, generator)
        )
        noise = noise * (10 ** (level / 20) / noise.square().mean().sqrt().clamp(min=1e-12))
        return Degraded(x + noise.to(x), None, {"kind": kind, "level_db": level})


def colored_noise(shape: tuple[int, ...], rate: int, kind: NoiseKind, generator: torch.Generator) -> Tensor:
    """White noise, pink noise or hiss `[channel, time]`, float32, at an arbitrary level."""
    white = torch.randn(shape, generator=generator, device=generator.device)
    if kind == "white":
        return white
    return filter_zero_phase(white, rate, pink_gain if kind == "pink" else hiss_gain)


def pink_gain(f: Tensor) -> Tensor:
    """Gains at frequencies in Hz that turn white noise into pink noise."""
    return f.clamp(min=20).rsqrt()


def hiss_gain(f: Tensor) -> Tensor:
    """Gains at frequencies in Hz that turn white noise into tape hiss."""
    return ((1 + (f / 2_000) ** 2) / (1 + (f / 12_000) ** 4)).sqrt()


def hum(samples: int, rate: int, generator: torch.Generator) -> Tensor:
    """Mains hum `[1, time]`, float32, at an arbitrary level, without the harmonics above the Nyquist frequency."""
    mains = choice(generator, (50.0, 60.0))
    amplitudes, phases = torch.rand((2, HARMONICS), generator=generator, dtype=torch.float64, device=generator.device)
    k = torch.arange(1, HARMONICS + 1, dtype=torch.float64, device=generator.device)
    amplitudes = torch.where(mains * k < rate / 2, amplitudes / k, 0)
    angle = 2 * math.pi * mains / rate * torch.arange(samples, dtype=torch.float64, device=generator.device)
    return (amplitudes @ torch.sin(torch.outer(k, angle) + 2 * math.pi * phases[:, None]))[None].float()
