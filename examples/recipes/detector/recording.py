"""A simulated recording, and what is known about it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from upscaler_bandwidth.features import LOWEST_HZ, PER_OCTAVE, CellFeatures

Audio = NDArray[np.float64]  # [time, channel]


@dataclass
class Truth:
    """What is known about a simulated recording."""

    cutoff_hz: float = math.inf
    """Infinite = none."""
    order: float = 0.0
    """Butterworth order that falls as fast; 0 = none."""
    cause: str = "full band"
    above: str = "nothing"
    codec: str = ""
    kbps: float = 0.0


@dataclass
class Sim:
    """A recording on its way."""

    x: Audio
    rate: int
    truth: Truth
    rng: np.random.Generator
    steps: list[str] = field(default_factory=list)


def limit(sim: Sim, cutoff: float, order: float, cause: str, above: str = "nothing") -> None:
    """Note that the content now ends lower."""
    if cutoff < sim.truth.cutoff_hz * 1.02 or above == "images":
        if cutoff < sim.truth.cutoff_hz:
            sim.truth.cutoff_hz, sim.truth.order, sim.truth.cause = cutoff, order, cause
        if above == "images":
            sim.truth.above = above


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(math.log(low), math.log(high))))


def band(hz: float) -> float:
    """The place of a frequency on the scale of bands."""
    return PER_OCTAVE * math.log2(hz / LOWEST_HZ)


def features_of(x: Audio, rate: int) -> NDArray[np.float32]:
    """`[cell, feature, band]`."""
    features = CellFeatures(rate)
    block = torch.from_numpy(np.ascontiguousarray(x.T, dtype=np.float32))
    return torch.cat([features.add(block), features.finish()]).numpy()
