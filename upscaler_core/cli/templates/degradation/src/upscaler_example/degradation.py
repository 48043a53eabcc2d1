"""A degradation: mains hum, at a level and a phase drawn for each excerpt."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from upscaler_core import Degraded

from upscaler_example.plugin import HumOptions

MAINS_HZ = 50
SPREAD_DB = 20


class Hum:
    """The degradation."""

    def __init__(self, options: HumOptions) -> None:
        self.max_db = options.max_db

    def __call__(self, x: Tensor, rate: int, generator: torch.Generator) -> Degraded:
        """`[channel, time]` at `rate` Hz -> the same, humming. All chance comes from the generator."""
        drawn, turn = torch.rand(2, generator=generator).tolist()
        level_db = self.max_db - SPREAD_DB * drawn
        seconds = torch.arange(x.shape[-1], device=x.device) / rate
        hum = 10 ** (level_db / 20) * torch.sin(2 * math.pi * (MAINS_HZ * seconds + turn))
        return Degraded(x + hum.to(x), drawn={"level_db": level_db})
