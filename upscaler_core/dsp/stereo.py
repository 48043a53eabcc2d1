"""Left and right as mid and side, and back.

    mid = (left + right) / 2,   side = (left − right) / 2,   left = mid + side,   right = mid − side

>>> x = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
>>> to_mid_side(x)
tensor([[ 0.5000,  0.5000],
        [ 0.5000, -0.5000]])
>>> bool((to_left_right(to_mid_side(x)) == x).all())
True
"""

from __future__ import annotations

import torch
from torch import Tensor


def to_mid_side(x: Tensor) -> Tensor:
    """`[..., 2, time]` left and right -> mid and side. Any other number of channels stays as it is."""
    return _sum_and_difference(x) * 0.5 if x.shape[-2] == 2 else x


def to_left_right(x: Tensor) -> Tensor:
    """`[..., 2, time]` mid and side -> left and right. Any other number of channels stays as it is."""
    return _sum_and_difference(x) if x.shape[-2] == 2 else x


def _sum_and_difference(x: Tensor) -> Tensor:
    first, second = x.unbind(-2)
    return torch.stack([first + second, first - second], -2)
