"""`remix`: other stereo images of the same recording. Anything but two channels is left alone.

With mid = (left + right) / 2 and side = (left − right) / 2, width is a gain of the side: left = mid + gain·side. Like
`level`, it belongs before the copy that is damaged further where a model is not to learn to undo it.

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
from upscaler_degrade.chance import choice, uniform
from upscaler_degrade.options import RemixOptions


class Remix:
    """The degradation `remix`."""

    def __init__(self, options: RemixOptions) -> None:
        self.options = options

    def __call__(self, x: Tensor, rate: int, generator: torch.Generator) -> Degraded:
        """Change `[2, time]`."""
        change = choice(generator, self.options.changes)
        side_db = uniform(generator, self.options.min_side_db, self.options.max_side_db)
        if x.shape[0] != 2 or change == "keep":
            return Degraded(x.clone(), None, {"change": "keep"})
        if change == "swap":
            return Degraded(x.flip(0), None, {"change": change})
        if change == "polarity":
            return Degraded(-x, None, {"change": change})
        gain = 0.0 if change == "mono" else 10 ** (side_db / 20)
        mid, side = x.mean(0), gain * (x[0] - x[1]) / 2
        drawn: dict[str, float | str] = {"change": change, "side_db": side_db} if gain else {"change": change}
        return Degraded(torch.stack((mid + side, mid - side)), None, drawn)
