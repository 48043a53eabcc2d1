"""Random single numbers from the generator that a degradation receives.

>>> generator = torch.Generator().manual_seed(1)
>>> 2 <= log_uniform(generator, 2, 16) < 16, integer(generator, 8, 8), choice(generator, ["a"])
(True, 8, 'a')
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import torch

T = TypeVar("T")


def uniform(generator: torch.Generator, least: float, most: float) -> float:
    """Draw a number from `least` up to `most`; all are equally likely."""
    share = torch.rand((), generator=generator, dtype=torch.float64, device=generator.device)
    return least + (most - least) * float(share)


def log_uniform(generator: torch.Generator, least: float, most: float) -> float:
    """Draw a number whose logarithm is uniform: all octaves are equally likely."""
    return math.exp(uniform(generator, math.log(least), math.log(most)))


def integer(generator: torch.Generator, least: int, most: int) -> int:
    """Draw an integer from `least` to `most`, both included."""
    return int(torch.randint(least, most + 1, (), generator=generator, device=generator.device))


def choice(generator: torch.Generator, items: Sequence[T]) -> T:
    """Draw one of the items."""
    return items[integer(generator, 0, len(items) - 1)]
