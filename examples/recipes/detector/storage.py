"""Containers of 8 to 24 bits, with and without dither, and mu-law."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from recording import Audio, Sim
from roll_off import NOISE_BAND_DB
from scipy import signal


def quantize(x: Audio, bits: int, dither: str, rng: np.random.Generator) -> Audio:
    """To integers of so many bits."""
    scale = 2.0 ** (bits - 1)
    noise: Any = 0.0
    if dither != "none":
        noise = rng.random(x.shape) - rng.random(x.shape)
    if dither == "shaped":
        noise = signal.lfilter([1, -1.6, 0.8], [1], noise + 0.3 * rng.standard_normal(x.shape), axis=0)
    return np.clip(np.round(x * scale + noise), -scale, scale - 1) / scale


def mu_law(x: Audio) -> Audio:
    """8 bits on a logarithmic scale (G.711)."""
    y = np.sign(x) * np.log1p(255 * np.abs(np.clip(x, -1, 1))) / math.log(256)
    y = np.round(y * 127) / 127
    return np.sign(y) * (256 ** np.abs(y) - 1) / 255


def container(sim: Sim) -> float:
    """Store; return the level of the rounding noise in a bin, dB."""
    rng = sim.rng
    bits = int(rng.choice([8, 12, 16, 24], p=[0.05, 0.04, 0.79, 0.12]))
    if rng.random() < 0.06:  # floating point
        return -200.0
    if rng.random() < 0.02:
        sim.x = mu_law(sim.x)
        sim.steps.append("mu-law")
        rms = float(np.sqrt((sim.x**2).mean())) + 1e-9
        return 20 * math.log10(rms) - 38 + NOISE_BAND_DB
    dither = str(rng.choice(["none", "tpdf", "shaped"], p=[0.5, 0.4, 0.1]))
    sim.x = quantize(sim.x, bits, dither, rng)
    sim.steps.append(f"{bits}{dither}")
    lsb = {"none": -10.8, "tpdf": -6.0, "shaped": 4.0}[dither]
    return -6.02 * (bits - 1) + lsb + NOISE_BAND_DB
