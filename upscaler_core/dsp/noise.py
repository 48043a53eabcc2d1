"""Noise that does not depend on how a stream was cut into blocks.

Noise is a pure function of (seed, layer, position). It is generated in fixed blocks of 4,096 samples, each by a generator
that is seeded with a hash of (seed, layer, block), and cut to the requested range.

>>> stretch = noise(1, "dither", 0, 10_000)
>>> bool((stretch[5_000:6_000] == noise(1, "dither", 5_000, 1_000)).all())
True
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

BLOCK = 4096
"""Samples that one generator makes. Another number would give other noise."""


def noise(seed: int, layer: str, start: int, length: int, *, uniform: bool = False) -> Tensor:
    """Gaussian (mean 0, variance 1) or uniform (0 … 1) noise at the samples `start … start + length` of a stream.

    Args:
        seed: the run's seed.
        layer: name of the use, so that two uses of one seed have different noise.
        start: index of the first sample; may be negative.
        length: samples.
        uniform: uniform in [0, 1) instead of normal.

    Returns:
        float32 `[length]`.
    """
    first, last = start // BLOCK, (start + length - 1) // BLOCK
    blocks = [_block(seed, layer, k, uniform) for k in range(first, last + 1)] or [torch.empty(0)]
    offset = start - first * BLOCK
    return torch.cat(blocks)[offset : offset + length]


def _block(seed: int, layer: str, index: int, uniform: bool) -> Tensor:
    digest = hashlib.blake2b(f"{seed}/{layer}/{index}".encode(), digest_size=7).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest, "little"))
    return torch.rand(BLOCK, generator=generator) if uniform else torch.randn(BLOCK, generator=generator)
