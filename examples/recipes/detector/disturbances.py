"""Hiss, hum and whistles, and digital silence."""

from __future__ import annotations

import numpy as np
from recording import Sim
from roll_off import NOISE_BAND_DB
from scipy import signal


def noise_floor(sim: Sim) -> float:
    """Add hiss, hum or whistles; return the hiss's level in a bin, dB."""
    rng, rate, n = sim.rng, sim.rate, len(sim.x)
    level = rng.uniform(-95, -45)
    hiss = rng.standard_normal(sim.x.shape)
    shape = rng.choice(["white", "pink", "blue", "tape"])
    spectrum = np.fft.rfft(hiss, axis=0)
    f = np.fft.rfftfreq(n, 1 / rate)[:, None]
    gain = {
        "white": np.ones_like(f),
        "pink": np.maximum(f, 50) ** -0.5,
        "blue": np.maximum(f, 50) ** 0.35,
        "tape": np.maximum(f, 50) ** 0.2 / np.sqrt(1 + (f / 17_000) ** 4),
    }[str(shape)]
    hiss = np.fft.irfft(spectrum * gain, n, axis=0)
    hiss *= 10 ** (level / 20) / hiss.std()
    sim.x = sim.x + hiss
    sim.truth.above = "noise" if sim.truth.above == "nothing" else sim.truth.above
    sim.steps.append(f"hiss{level:.0f}{shape}")
    return float(level + NOISE_BAND_DB + 1)


def tones(sim: Sim) -> None:
    """Hum, a 19 kHz pilot, a 15.6 kHz whistle of a television."""
    rng, t = sim.rng, np.arange(len(sim.x)) / sim.rate
    kind = rng.choice(["hum", "pilot", "whistle"])
    if kind == "hum":
        f = rng.choice([50, 60])
        tone = sum(np.sin(2 * np.pi * f * k * t) / k for k in range(1, 30))
    else:
        tone = np.sin(2 * np.pi * (19_000 if kind == "pilot" else rng.choice([15_625, 15_734])) * t)
    sim.x = sim.x + (10 ** (rng.uniform(-80, -45) / 20) * np.asarray(tone))[:, None]
    sim.steps.append(str(kind))


def silences(sim: Sim) -> None:
    """Digital silence: a gate, gaps, a long fade, little sound in a long file."""
    rng, rate, n = sim.rng, sim.rate, len(sim.x)
    kind = rng.choice(["gate", "gaps", "fade", "rare", "padded"])
    x = sim.x = sim.x.copy()
    if kind == "gate":
        step = rate // int(rng.choice([20, 50, 100]))
        count = n // step
        rms = np.sqrt((x[: count * step].reshape(count, step, -1) ** 2).mean((1, 2)))
        closed = rms < np.quantile(rms, rng.uniform(0.1, 0.6))
        gain = np.repeat(~closed, step).astype(float)
        if rng.random() < 0.4:
            ramp = np.hanning(2 * int(rng.choice([16, 200, 1000])) + 1)
            gain = np.clip(signal.oaconvolve(gain, ramp / ramp.sum(), mode="same") * 2 - 1, 0, 1)
            gain[gain < 1e-6] = 0
        x[: len(gain)] *= gain[:, None]
        x[len(gain) :] = 0
    elif kind == "gaps":
        for _ in range(int(rng.integers(1, 8))):
            start = int(rng.integers(0, n))
            x[start : start + int(rng.uniform(0.05, 2.5) * rate)] = 0
    elif kind == "fade":
        ramp = np.linspace(1, 0, n)[:, None] ** rng.uniform(1, 4)
        x *= ramp if rng.random() < 0.5 else ramp[::-1]
    elif kind == "rare":
        keep = int(rng.uniform(0.03, 0.2) * n)
        start = int(rng.integers(0, n - keep))
        x[:start] = 0
        x[start + keep :] = 0
    else:
        x[: int(rng.uniform(0.1, 0.4) * n)] = 0
        x[n - int(rng.uniform(0.1, 0.4) * n) :] = 0
    sim.steps.append(str(kind))
