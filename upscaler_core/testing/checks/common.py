"""Helpers of the checks of several kinds."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

BLOCK_SIZES = (1, 777, 4_096, 10_007)
"""Samples, in turn: a single one, fewer and more than a typical window, and numbers without a common divisor."""


def blocks(x: Tensor) -> Iterator[Tensor]:
    """Cut `[channel, time]` into blocks of many lengths."""
    start = 0
    for index in range(x.shape[-1]):
        size = BLOCK_SIZES[index % len(BLOCK_SIZES)]
        yield x[:, start : start + size]
        start += size
        if start >= x.shape[-1]:
            return


def join(stream: Iterator[Tensor]) -> Tensor:
    """Blocks `[channel, time]` -> one tensor; `[0, 0]` where there is none."""
    parts = list(stream)
    return torch.cat(parts, -1) if parts else torch.empty(0, 0)


def changed(before: Tensor, after: Tensor) -> str | None:
    """The fault of a component that changed its input; None for one that did not."""
    return None if torch.equal(before, after) else "it changed its input in place"
