"""`level`: a random gain, so that a model is trained on quiet and on loud recordings.

Nothing is clipped unless the option `clip` is set: floats can hold values above full scale, and a model gets the same
waveform at a higher level. If target and input must have the same level, apply the gain before the copy is made that is
damaged further.

>>> from upscaler_degrade.options import LevelOptions
>>> hot = Level(LevelOptions(min_db=20, max_db=20, clip=True))
>>> hot(torch.tensor([[0.05, 0.5]]), 48000, torch.Generator()).audio
tensor([[0.5000, 1.0000]])
"""

from __future__ import annotations

import torch
from torch import Tensor

from upscaler_core import Degraded
from upscaler_degrade.options import LevelOptions
from upscaler_degrade.random_numbers import uniform


class Level:
    """The degradation `level`."""

    def __init__(self, options: LevelOptions) -> None:
        self.options = options

    def __call__(self, x: Tensor, rate: int, generator: torch.Generator) -> Degraded:
        """Multiply all channels of `[channel, time]` by the same gain."""
        gain = uniform(generator, self.options.min_db, self.options.max_db)
        louder = x * 10 ** (gain / 20)
        return Degraded(louder.clamp(-1, 1) if self.options.clip else louder, None, {"gain_db": gain})
