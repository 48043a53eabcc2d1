"""`remix`: other stereo images of the same recording. Audio that does not have two channels stays as it is.

The width is a gain of the side signal: with mid = (left + right) / 2 and side = (left − right) / 2, the new left channel is
mid + gain·side and the new right one mid − gain·side. If a model must not learn to undo the change, apply it, like `level`,
before the copy is made that is damaged further.

>>> from upscaler_degrade.options import RemixOptions
>>> x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
>>> Remix(RemixOptions(changes=("mono",)))(x, 48000, torch.Generator()).audio
tensor([[2., 3.],
        [2., 3.]])
"""

from __future__ import annotations

import torch
from torch import Tensor

from upscaler_core import Degraded
from upscaler_core.dsp import to_left_right, to_mid_side
from upscaler_degrade.options import RemixOptions
from upscaler_degrade.random_numbers import choice, uniform


class Remix:
    """The degradation `remix`."""

    def __init__(self, options: RemixOptions) -> None:
        self.options = options

    def __call__(self, x: Tensor, rate: int, generator: torch.Generator) -> Degraded:
        """Change the stereo image of `[2, time]`."""
        change = choice(generator, self.options.changes)
        side_db = uniform(generator, self.options.min_side_db, self.options.max_side_db)
        if x.shape[0] != 2 or change == "keep":
            return Degraded(x.clone(), None, {"change": "keep"})
        if change == "swap":
            return Degraded(x.flip(0), None, {"change": change})
        if change == "polarity":
            return Degraded(-x, None, {"change": change})
        gain = 0.0 if change == "mono" else 10 ** (side_db / 20)
        mid, side = to_mid_side(x)
        parameters: dict[str, float | str] = {"change": change, "side_db": side_db} if gain else {"change": change}
        return Degraded(to_left_right(torch.stack((mid, gain * side))), None, parameters)
