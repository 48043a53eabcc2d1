"""Filters and changes of the sample rate, good ones and cheap ones, that end the content of a recording."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray
from recording import Audio, Sim, limit, log_uniform
from scipy import signal
from storage import quantize


def minus_6_db(h: NDArray[np.float64], rate: int) -> float:
    """Where the response of an impulse response first falls below −6 dB of its gain at low frequencies, Hz."""
    spectrum = np.abs(np.fft.rfft(h, 1 << 16))
    reference = spectrum[: max(2, int(600 / rate * 65536))].max()
    return float(np.argmax(spectrum < reference / 2) * rate / 65536) or rate / 2


def sos_filter(sos: Any, x: Audio, zero_phase: bool) -> Audio:
    return signal.sosfiltfilt(sos, x, axis=0) if zero_phase else signal.sosfilt(sos, x, axis=0)


def analogue(sim: Sim) -> None:
    """A gentle roll-off: a tape, a microphone, an equaliser. Its order is told by how fast it falls."""
    rng, rate = sim.rng, sim.rate
    fc = log_uniform(rng, 3_000, 0.42 * rate)
    order = int(rng.integers(3, 11))
    both = rng.random() < 0.3
    name = rng.choice(["butter", "butter", "bessel", "cheby1"])
    if name == "butter":
        sos = signal.butter(order, fc, fs=rate, output="sos")
    elif name == "bessel":
        sos = signal.bessel(order, fc, fs=rate, output="sos", norm="mag")
    else:
        sos = signal.cheby1(order, 0.3, fc, fs=rate, output="sos")
    impulse = np.zeros(1 << 14)
    impulse[1 << 13] = 1
    point = minus_6_db(sos_filter(sos, impulse, both), rate)
    sim.x = sos_filter(sos, sim.x, both)
    limit(sim, point, order * (2 if both else 1) * (1.5 if name == "cheby1" else 1), "low-pass")
    sim.steps.append(f"{name}{order}")


def steep_filter(sim: Sim) -> None:
    """A steep low-pass without a change of rate: an elliptic filter, a long FIR filter, or a cut in one FFT."""
    rng, rate = sim.rng, sim.rate
    fc = log_uniform(rng, 2_500, 0.43 * rate)
    kind = rng.choice(["ellip", "fir", "fft"])
    if kind == "ellip":
        sos = signal.ellip(int(rng.integers(6, 11)), 0.3, 70, fc, fs=rate, output="sos")
        sim.x = signal.sosfilt(sos, sim.x, axis=0)
    elif kind == "fir":
        taps = signal.firwin(int(rng.choice([127, 255, 511, 1023])), fc, window=("kaiser", 9), fs=rate)
        sim.x = signal.oaconvolve(sim.x, taps[:, None], mode="same", axes=0)
    else:
        spectrum = np.fft.rfft(sim.x, axis=0)
        spectrum[int(fc / rate * len(sim.x)) :] = 0
        sim.x = np.fft.irfft(spectrum, len(sim.x), axis=0)
    limit(sim, fc, 60, "resampled")
    sim.steps.append(kind)


LOW_RATES = (6800, 8000, 8000, 8000, 11025, 12000, 16000, 16000, 22050, 24000, 32000, 44100)


def resampled(sim: Sim) -> None:
    """Down to a lower rate and up again, each way by one of many methods."""
    rng, rate = sim.rng, sim.rate
    low_rate = int(rng.choice(LOW_RATES)) if rng.random() < 0.6 else int(log_uniform(rng, 6_000, 0.9 * rate))
    if low_rate > 0.95 * rate:
        low_rate = 22_050
    down = rng.choice(["VHQ", "HQ", "MQ", "scipy", "fft", "iir", "none"], p=[0.3, 0.2, 0.08, 0.17, 0.1, 0.1, 0.05])
    low = convert(sim.x, rate, low_rate, str(down))
    impulse = np.zeros((rate, 1))
    impulse[rate // 2] = 1
    there = (
        low_rate / 2
        if down == "none"
        else minus_6_db(soxr.resample(convert(impulse, rate, low_rate, str(down)), low_rate, rate, "VHQ")[:, 0], rate)
    )
    there = min(there, low_rate / 2)
    if rng.random() < 0.3:
        low = quantize(low, int(rng.choice([8, 12, 16, 16])), str(rng.choice(["none", "tpdf"])), rng)
    if rng.random() < 0.12:
        low = signal.sosfilt(signal.butter(4, 300, "high", fs=low_rate, output="sos"), low, axis=0)
        if there > 3_700 and rng.random() < 0.7:
            low = signal.sosfilt(signal.cheby2(8, 40, 3700, fs=low_rate, output="sos"), low, axis=0)
            there = 3_400.0
    up = rng.choice(
        ["VHQ", "HQ", "MQ", "LQ", "scipy", "fft", "linear", "hold", "cubic"],
        p=[0.16, 0.12, 0.05, 0.03, 0.17, 0.04, 0.22, 0.13, 0.08],
    )
    sim.x = convert(low, low_rate, rate, str(up))
    images = up in ("linear", "hold", "cubic")
    limit(sim, there, 60, "resampled", "images" if images else "nothing")
    sim.steps.append(f"{down}-{low_rate}-{up}")


def convert(x: Audio, rate: int, to: int, method: str) -> Audio:
    """Change the rate of `[time, channel]`."""
    if method in ("VHQ", "HQ", "MQ", "LQ"):
        return soxr.resample(x, rate, to, quality=method)
    if method == "scipy":
        g = math.gcd(rate, to)
        if max(rate, to) // g > 2_000:
            return soxr.resample(x, rate, to, quality="HQ")
        return signal.resample_poly(x, to // g, rate // g, axis=0)
    count = round(len(x) * to / rate)
    if method == "fft":
        return signal.resample(x, count, axis=0)
    if method == "iir":
        sos = signal.cheby1(8, 0.05, 0.8 * min(to, rate) / 2, fs=rate, output="sos")
        x = signal.sosfiltfilt(sos, x, axis=0)
    t = np.arange(count) * rate / to
    if method == "hold":
        return x[np.minimum(t.astype(int), len(x) - 1)]
    if method == "cubic":
        from scipy.interpolate import CubicSpline

        return CubicSpline(np.arange(len(x)), x, axis=0)(t)
    return np.stack([np.interp(t, np.arange(len(x)), x[:, c]) for c in range(x.shape[1])], 1)
