"""Measure the true peak after the limiter, with separate meters, and its speed; print a Markdown table.

    python benchmarks/limiter.py [--rates 44100,48000,96000,192000] [--ceiling -1] [--seconds 5]

There are two meters at 16 times the sample rate, which share no code with the limiter: a convolution by scipy with a
Kaiser-windowed sinc of 1,024 samples on each side, and, as "endless", the zero-padded spectrum of the complete signal. A
component at the Nyquist frequency itself is undetermined between its samples (cos πt + a·sin πt has the same samples for
any a), and the endless sinc shows a higher level the longer it lasts. Speed is measured with stereo on one core, in CPU
time; "idle" is the speed for the same signal 30 dB lower, which is not limited.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np
import soundfile
import torch
from scipy import signal

from upscaler_core import discover
from upscaler_core.dsp.streaming import run
from upscaler_core.plugins import Finisher

AUDIO = Path(__file__).parent.parent / "examples" / "audio"
FINE = 16
"""Oversampling of the meters."""
Signal = np.ndarray
"""`[channel, time]`, float64."""


def db(x: float) -> float:
    """An amplitude in dB."""
    return 20 * math.log10(max(float(x), 1e-20))


def endless(x: Signal) -> float:
    """True peak by an endless sinc, dBTP."""
    x = np.pad(x, ((0, 0), (4096, 4096 + x.shape[1] % 2)))
    peak = 0.0
    for channel in x:
        spectrum = np.fft.rfft(channel)
        spectrum[-1] /= 2  # the bin of the Nyquist frequency counts twice
        peak = max(peak, np.abs(np.fft.irfft(spectrum, len(channel) * FINE)).max() * FINE)
    return db(peak)


def kaiser(x: Signal) -> float:
    """True peak by a long filter, dBTP."""
    taps = FINE * signal.firwin(2 * 1024 * FINE + 1, 1 / FINE, window=("kaiser", 8.0))
    stuffed = np.zeros((len(x), x.shape[1] * FINE))
    stuffed[:, ::FINE] = x
    return db(np.abs(signal.oaconvolve(stuffed, taps[None], axes=1)).max())


def signals(rate: int, seconds: float) -> dict[str, Signal]:
    """Signals that are difficult for a limiter, `[2, time]` each, by name."""
    generator = np.random.default_rng(0)
    n = np.arange(round(rate * seconds))
    both = np.ones((2, 1))
    level = 1.4 * np.repeat([0.3, 1, 0.5, 0.8, 1], -(-len(n) // 5))[: len(n)]
    fade = np.clip(np.minimum(n, n[::-1]) / (0.05 * rate), 0, 1)
    clicks = 0.01 * generator.standard_normal((2, len(n)))
    at = generator.integers(0, len(n), round(20 * seconds))
    clicks[:, at] += 12.5 * generator.choice([-1, 1], len(at))
    waves = {
        "white noise, hot by 6 dB": 0.6 * generator.standard_normal((2, len(n))),
        "clicks of +22 dB": clicks,
        "fs/4 at 45°, in steps": both * level * np.sin(np.pi / 2 * n + np.pi / 4),
        "square wave, 997 Hz, +6 dB": both * 2 * np.sign(np.sin(2 * np.pi * 997 / rate * n + 0.1)),
        "square wave, fs/6, +6 dB": both * 2 * np.where(n // 3 % 2, 1.0, -1.0) * fade,
        "alternating ±1, faded": both * np.where(n % 2, 1.0, -1.0) * fade,
    }
    for name, file in (("techno", "arovane_beat_d_cc0_lossless.flac"), ("ambient", "void_sensor_30s_streamcopy.ogg")):
        x, source = soundfile.read(AUDIO / file, stop=round(44_100 * seconds), always_2d=True)
        if source != rate:
            x = discover().resampler("poly-sinc-hq")(torch.from_numpy(x.T.copy()), source, rate).numpy().T
        waves |= {f"{name}, +{gain} dB": 10 ** (gain / 20) * x.T for gain in (6, 12)}
    return waves


def limited(limiter: Finisher, x: Signal, rate: int) -> tuple[Signal, float]:
    """The limited signal, and the CPU time, seconds, the best of three runs."""
    stream = torch.from_numpy(np.ascontiguousarray(x, np.float32))
    plan = limiter.plan(rate)
    best = math.inf
    for _ in range(3):
        start = time.process_time()
        blocks = list(run(plan, [stream], joint=True))
        best = min(best, time.process_time() - start)
    return torch.cat(blocks, 1).double().numpy(), best


def main() -> None:
    """Print a row for each signal and sample rate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", default="44100,48000,96000,192000", help="Hz, by commas")
    parser.add_argument("--ceiling", type=float, default=-1.0, help="dBTP")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each signal")
    options = parser.parse_args()
    torch.set_num_threads(1)
    limiter = discover().finisher("limiter", ceiling_db=options.ceiling)
    plain = discover().finisher("limiter", ceiling_db=options.ceiling, true_peak=False)
    print(
        "| signal | kHz | true peak in, dBTP | samples out, dBFS | true peak out, dBTP | endless | most reduction, dB "
        "| out without `true_peak`, dBTP | × real time | idle |\n|---|" + "---:|" * 9
    )
    for rate in map(int, options.rates.split(",")):
        for name, x in signals(rate, options.seconds).items():
            y, spent = limited(limiter, x, rate)
            idle = limited(limiter, x * 10**-1.5, rate)[1]
            audible = np.abs(x) > 1e-3
            cells = [
                f"{rate / 1000:g}",
                f"{kaiser(x):.2f}",
                f"{db(np.abs(y).max()):.3f}",
                f"{kaiser(y):.3f}",
                f"{endless(y):.3f}",
                f"{-db((y[audible] / x[audible]).min()):.1f}",
                f"{kaiser(limited(plain, x, rate)[0]):.2f}",
                f"{x.shape[1] / rate / spent:.0f}",
                f"{x.shape[1] / rate / idle:.0f}",
            ]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
