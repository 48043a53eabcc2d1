"""`level`: a drawn gain. Training sees quiet and hot recordings alike.

Nothing is clipped unless asked for: floats carry what rises above full scale, and a model sees the same waveform,
louder. Where target and input are to agree in level, the gain belongs before the copy that is damaged further.

>>> from upscaler_degrade.options import LevelOptions
>>> hot = Level(LevelOptions(min_db=20, max_db=20, clip=True))
>>> hot(torch.tensor([[0.05, 0.5]]), 48000, torch.Generator()).audio
tensor([[0.5000, 1.0000]])
"""

from __future__ import annotations

import torch
from torch import Tensor

from upscaler_core import Degraded
from upscaler_degrade.chance import uniform
from upscaler_degrade.options import LevelOptions


class Level:
    """The degradation `level`."""

    def __init__(self, options: LevelOptions) -> None:
        self.options = options

    def __call__(self, x: Tensor, rate: int, generator: torch.Generator) -> Degraded:
        """Multiply `[channel, time]`, all channels alike."""
        gain = uniform(generator, self.options.min_db, self.options.max_db)
        louder = x * 10 ** (gain / 20)
        return Degraded(louder.clamp(-1, 1) if self.options.clip else louder, None, {"gain_db": gain})
