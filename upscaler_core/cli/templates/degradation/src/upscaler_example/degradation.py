"""A degradation: mains hum. Each excerpt has a random level and a random phase."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from upscaler_core import Degraded

from upscaler_example.plugin import HumOptions

MAINS_HZ = 50
RANGE_DB = 20
"""Levels are up to this far below the highest one."""


class Hum:
    """The degradation."""

    def __init__(self, options: HumOptions) -> None:
        self.max_db = options.max_db

    def __call__(self, x: Tensor, rate: int, generator: torch.Generator) -> Degraded:
        """`[channel, time]` at `rate` Hz -> the same with hum. Random numbers come only from the generator."""
        attenuation, phase = torch.rand(2, generator=generator).tolist()
        level_db = self.max_db - RANGE_DB * attenuation
        seconds = torch.arange(x.shape[-1], device=x.device) / rate
        hum = 10 ** (level_db / 20) * torch.sin(2 * math.pi * (MAINS_HZ * seconds + phase))
        return Degraded(x + hum.to(x), parameters={"level_db": level_db})
