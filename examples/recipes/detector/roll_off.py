"""A gentle roll-off of a full-band recording, made from its band levels alone.

A filter adds its gain at a band, in dB, to the levels of this band. Noise adds its power. So a recording of which the
features are known can be filtered without its samples, at once, in as many ways as training asks for:

    L'(b) = 10 log10(10^((L(b) + H(b)) / 10) + 10^(N(b) / 10)),  H = gain of the filter, N = level of the noise.

It is exact for a filter that is flat over a band (1/24 octave: a slope of 96 dB/octave is 4 dB in it) and for noise beside
noise. `simulate.py` makes the rest, which needs samples: resamplers, codecs, silence.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import signal

from upscaler_bandwidth.features import FLOOR_DB, LOWEST_HZ, PER_OCTAVE, CellFeatures
from upscaler_bandwidth.network import ABOVE, CAUSES

Cells = NDArray[np.float32]  # [cell, feature, band]
NOISE_BAND_DB = 10 * math.log10(8 / 4096) - 2.5
"""Mean log level of white noise of RMS 1 in a bin of a 4096-point Blackman-Harris window, dB of a full-scale sine."""
NOISE_SECONDS = 60
"""Of noise, from which cells are drawn."""
LOWEST_CUTOFF_HZ = 2_500
CLEAR_DB = 7.0
"""A filter can be found where what it takes away stands so clear of the noise."""
FINE = 8
"""Points in each band at which a filter's gain is computed."""


@functools.cache
def _frequencies(bands: int, points: int) -> NDArray[np.float64]:
    """The centres of equal parts of all bands, Hz."""
    return np.asarray(LOWEST_HZ * 2 ** ((np.arange(bands * points) + 0.5) / (points * PER_OCTAVE)))


def filter_gain(bands: int, rate: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], float, float]:
    """A random low-pass: its gain at bands `[band]`, dB; its -6 dB point, Hz; the Butterworth order that falls as fast."""
    cutoff = math.exp(rng.uniform(math.log(LOWEST_CUTOFF_HZ), math.log(0.42 * rate)))
    order, runs = int(rng.integers(3, 9)), int(rng.integers(1, 3))
    kind = rng.choice(["butter", "butter", "butter", "bessel", "cheby1"])
    if kind == "cheby1":
        sos = signal.cheby1(order, 0.3, cutoff, fs=rate, output="sos")
    elif kind == "bessel":
        sos = signal.bessel(order, cutoff, fs=rate, output="sos", norm="mag")
    else:
        sos = signal.butter(order, cutoff, fs=rate, output="sos")
    f = np.minimum(_frequencies(bands, FINE), 0.499 * rate)
    gain = runs * 20 * np.log10(np.abs(signal.sosfreqz(sos, f, fs=rate)[1]) + 1e-9)
    minus_6_db = float(f[np.argmax(gain < -6.02)]) if gain.min() < -6.02 else rate / 2
    power = 10 ** (gain / 10)
    return (
        10 * np.log10(power.reshape(bands, FINE).mean(1) + 1e-18),
        minus_6_db,
        order * runs * (1.5 if kind == "cheby1" else 1),
    )


@functools.cache
def noise_cells(bands: int) -> Cells:
    """Features `[cell, feature, band]` of white noise of RMS 1; bands beyond those of 48 kHz are like the last one."""
    features = CellFeatures(48_000)
    noise = torch.from_numpy(np.random.default_rng(0).standard_normal((1, NOISE_SECONDS * 48_000)).astype(np.float32))
    cells = torch.cat([features.add(noise), features.finish()]).numpy()
    return np.pad(cells, ((0, 0), (0, 0), (0, max(0, bands - cells.shape[-1]))), mode="edge")[..., :bands]


def noise_level(bands: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], bool]:
    """RMS of a medium's hiss and a container's rounding at bands `[band]`, dBFS, and whether there is hiss."""
    f = _frequencies(bands, 1)
    bits = int(rng.choice([16, 16, 16, 16, 24]))
    rounding = -6.02 * (bits - 1) + float(rng.choice([-10.8, -6.0]))
    power = np.full(bands, 10 ** (rounding / 10))
    hissing = bool(rng.random() < 0.5)
    if hissing:
        tilt = float(rng.choice([0, 0, -3, 2]))  # dB per octave
        power += 10 ** ((rng.uniform(-90, -45) + tilt * np.log2(f / 6_000)) / 10)
    return 10 * np.log10(power), hissing


def rolled_off(
    x: Cells, truth: NDArray[np.float32], rng: np.random.Generator
) -> tuple[Cells, NDArray[np.float32]] | None:
    """The recording after a gentle low-pass, with noise, and its truth; None where nobody could find the filter."""
    rate = int(truth[6])
    bands = x.shape[-1]
    gain, cutoff, order = filter_gain(bands, rate, rng)
    noise, hissing = noise_level(bands, rng)
    place = PER_OCTAVE * math.log2(cutoff / LOWEST_HZ)
    active = (x[:, 0] > FLOOR_DB + 1).any(-1)
    taken = slice(int(place + PER_OCTAVE * math.log2(1.1)), int(place + PER_OCTAVE * math.log2(1.1)) + 5)
    if not active.any() or cutoff > 0.45 * rate or taken.stop > bands:
        return None
    loud = np.quantile(x[active, 0, taken], 0.95, axis=0).mean()
    if not loud - noise[taken].mean() - NOISE_BAND_DB > CLEAR_DB:
        return None
    cells = noise_cells(bands)
    cells = cells[rng.integers(len(cells), size=len(x))]
    y = x.astype(np.float32)
    # The loudest frame's level, the quietest one's, and the loudest one's mean power.
    levels = np.stack([y[:, 0], y[:, 1], y[:, 0] + y[:, 2]], 1) + gain
    floor = np.stack([cells[:, 0], cells[:, 1], cells[:, 0] + cells[:, 2]], 1) + noise
    levels = 10 * np.log10(10 ** (levels / 10) + 10 ** (floor / 10))
    levels[:, 2] -= levels[:, 0]
    y = np.where(active[:, None, None], levels, y).astype(np.float32)
    new = truth.copy()
    new[:4] = place, order, CAUSES.index("low-pass"), ABOVE.index("noise" if hissing else "nothing")
    return y, new
