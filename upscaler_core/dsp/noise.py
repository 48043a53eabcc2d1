"""Chance that does not depend on how a stream was cut.

Noise is a pure function of (seed, layer, position): it is drawn in fixed blocks of 4,096 samples, each from a generator
seeded by a hash of (seed, layer, block), and cut to what was asked for.

>>> whole = noise(1, "dither", 0, 10_000)
>>> bool((whole[5_000:6_000] == noise(1, "dither", 5_000, 1_000)).all())
True
"""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

BLOCK = 4096


def noise(seed: int, layer: str, start: int, length: int, *, uniform: bool = False) -> Tensor:
    """Gaussian (mean 0, variance 1) or uniform (0 … 1) noise at the samples `start … start + length` of a stream.

    Args:
        seed: the run's seed.
        layer: who asks, so that two users of one seed draw different noise.
        start: index of the first sample; may be negative.
        length: samples.
        uniform: draw from [0, 1) instead of the normal distribution.

    Returns:
        float32 `[length]`.
    """
    first, last = start // BLOCK, (start + length - 1) // BLOCK
    drawn = [_block(seed, layer, k, uniform) for k in range(first, last + 1)] or [torch.empty(0)]
    offset = start - first * BLOCK
    return torch.cat(drawn)[offset : offset + length]


def _block(seed: int, layer: str, index: int, uniform: bool) -> Tensor:
    digest = hashlib.blake2b(f"{seed}/{layer}/{index}".encode(), digest_size=7).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest, "little"))
    return torch.rand(BLOCK, generator=generator) if uniform else torch.randn(BLOCK, generator=generator)
