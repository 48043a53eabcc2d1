"""Measure the resamplers against each other and against other libraries; print Markdown tables.

    python benchmarks/resample.py quality|speed|stream [--only sinc,soxr] [--rates 44100:96000,96000:44100] [--rounds 7]

quality: mono, in the precision that the row names.
    ripple      largest deviation from 0 dB up to 0.9 fn (fn: the lower of the two Nyquist frequencies), dB
    -0.1 dB     frequency at which the response leaves +-0.1 dB, in fn
    rejection   images and aliases from 1.0 fn up, dB below the pass-band
    THD+N       everything except the tone, relative to it, dB
    multitone   31 tones to 0.9 fn: everything except the tones, relative to them, dB
    sweep       upwards: the difference between the output and the analytic sweep from 20 Hz to 0.9 fn; downwards: the
                output for a sweep from 1.1 fn to the Nyquist frequency; the worst frame of 512 samples, dB
    round trip  resampled and resampled back, noise to 0.9 fn: signal to error, dB
speed: CPU time of 60 s of stereo, float32, on one core; the candidates run in turns in one process. The figure is the median
    of soxr VHQ divided by that of the candidate, so that a higher one means faster.
stream: the same in blocks of 4,096 samples, and whether the result is bit-identical to that of one call.
"""

from __future__ import annotations

import argparse
import importlib
import math
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from upscaler_core import MissingDependency, UsageError, discover
from upscaler_core.dsp import Resample

RATES = "44100:96000,48000:96000,44100:48000,44100:88200,44100:192000,16000:48000,8000:48000,96000:44100"
Signal = np.ndarray
"""`[channel, time]`."""


@dataclass
class Candidate:
    """A resampler: `call(x, rate_in, rate_out)`, and `stream(blocks, rate_in, rate_out)` if it has streams.

    Both take `[channel, time]`, except for the `call` of an interleaved one, which takes `[time, channel]`.
    """

    call: Callable[[Signal, int, int], Signal]
    dtype: str = "f4"
    stream: Callable[[list[Signal], int, int], Iterator[Signal]] | None = None
    interleaved: bool = False

    def planar(self, x: Signal, a: int, b: int) -> Signal:
        """Resample `[channel, time]`, also with an interleaved candidate."""
        return self.call(np.ascontiguousarray(x.T), a, b).T if self.interleaved else self.call(x, a, b)


def ours(name: str, dtype: str = "f4", **options: object) -> Candidate:
    """A resampler of this project."""
    resample: Resample = discover().resampler(name, **options)

    def stream(blocks: list[Signal], a: int, b: int) -> Iterator[Signal]:
        return (y.numpy() for y in resample.stream(map(torch.from_numpy, blocks), a, b))

    return Candidate(lambda x, a, b: resample(torch.from_numpy(x), a, b).numpy(), dtype, stream)


def soxr(quality: str, interleaved: bool = True) -> Candidate:
    """The SoX resampler by its own package: interleaved, as soundfile reads, or planar, which is faster."""
    library = importlib.import_module("soxr")

    def stream(blocks: list[Signal], a: int, b: int) -> Iterator[Signal]:
        state = library.ResampleStream(a, b, len(blocks[0]), blocks[0].dtype, quality)
        for i, block in enumerate(blocks):
            yield state.resample_chunk(block.T, last=i + 1 == len(blocks)).T

    if interleaved:
        return Candidate(lambda x, a, b: library.resample(x, a, b, quality), "f8", stream, interleaved)
    return Candidate(lambda x, a, b: library.resample(x.T, a, b, quality).T, "f8", stream)


def scipy() -> Candidate:
    """The polyphase resampler of scipy, with its default window."""
    library = importlib.import_module("scipy.signal")
    return Candidate(lambda x, a, b: library.resample_poly(x, *lowest(b, a), axis=1), "f8")


def libsamplerate() -> Candidate:
    """The best sinc of libsamplerate, which computes in float32."""
    library = importlib.import_module("samplerate")
    return Candidate(lambda x, a, b: library.resample(np.ascontiguousarray(x.T), b / a, "sinc_best").T)


MAKERS: dict[str, Callable[[], Candidate]] = {
    "soxr VHQ": lambda: soxr("VHQ"),
    "soxr VHQ planar": lambda: soxr("VHQ", interleaved=False),
    "soxr HQ": lambda: soxr("HQ"),
    "scipy resample_poly": scipy,
    "libsamplerate best": libsamplerate,
    "torchaudio kaiser": lambda: ours("torchaudio"),
    "linear": lambda: ours("linear"),
    "sinc": lambda: ours("sinc"),
    "poly-sinc-hq fast": lambda: ours("poly-sinc-hq", dsp_quality="fast"),
    "poly-sinc-hq balanced": lambda: ours("poly-sinc-hq", dsp_quality="balanced"),
    "poly-sinc-hq quality": lambda: ours("poly-sinc-hq", dsp_quality="quality"),
    "poly-sinc-hq exact": lambda: ours("poly-sinc-hq", "f8", dsp_quality="exact"),
}
REFERENCE = "soxr VHQ"


def installed_candidates(only: str) -> dict[str, Candidate]:
    """The candidates that are installed; print the names of the others."""
    installed = {}
    for name, make in MAKERS.items():
        if name == REFERENCE or any(word in name for word in only.split(",")):
            try:
                installed[name] = make()
            except (ImportError, MissingDependency) as error:
                print(f"{name}: left out, {error}\n")
    return installed


def lowest(a: int, b: int) -> tuple[int, int]:
    """A ratio in its lowest terms."""
    common = math.gcd(a, b)
    return a // common, b // common


def db(ratio: float) -> float:
    """A ratio of amplitudes in dB."""
    return 20 * math.log10(max(float(ratio), 1e-20))


def mono(c: Candidate, x: Signal, a: int, b: int) -> Signal:
    """Resample one channel in the candidate's precision."""
    return np.asarray(c.planar(np.ascontiguousarray(x[None], c.dtype), a, b)[0], np.float64)


def response(c: Candidate, a: int, b: int) -> tuple[Signal, Signal]:
    """Frequencies in fn and magnitudes of the kernel h(t), sampled at L times the input rate: one impulse for each phase."""
    up, down = lowest(b, a)
    gap = down * math.ceil(4096 / down) + 1  # whole periods and one sample: each impulse meets another phase
    x = np.zeros((down + 2) * gap)
    x[gap * np.arange(1, down + 1)] = 1
    y = mono(c, x, a, b)
    half = gap * up // 2 - up
    h = np.zeros(2 * half)
    for centre in gap * up * np.arange(1, down + 1):
        n = np.arange(-(-(centre - half) // down), min(-(-(centre + half) // down), len(y)))
        h[n * down - centre] = y[n]  # negative times wrap around, so that the kernel's centre is at 0
    return np.fft.rfftfreq(len(h), 1 / (up * a)) / (min(a, b) / 2), np.abs(np.fft.rfft(h)) / up


def tones(c: Candidate, a: int, b: int, hertz: Signal, level: float) -> float:
    """Everything in the output except the tones of the input, relative to them, dB."""
    edge, keep = 6000, 16384
    phases = -np.pi * np.arange(len(hertz)) ** 2 / len(hertz)
    t = np.arange(int((keep + 2 * edge) * a / b) + 8) / a
    y = mono(c, level * np.cos(2 * np.pi * np.outer(t, hertz) + phases).sum(1), a, b)[edge : edge + keep]
    angle = 2 * np.pi * np.outer(np.arange(edge, edge + keep) / b, hertz)
    basis = np.concatenate([np.cos(angle), np.sin(angle), np.ones((keep, 1))], 1)
    residual = y - basis @ np.linalg.lstsq(basis, y, rcond=None)[0]
    return db(residual.std() / y.std())


def sweep(c: Candidate, a: int, b: int) -> float:
    """The worst frame of 512 samples of a linear sweep, dB."""
    fn, seconds = min(a, b) / 2, 1.5
    first, last = (20.0, 0.9 * fn) if b > a else (1.1 * fn, 0.98 * a / 2)

    def chirp(t: Signal) -> Signal:
        return 0.9 * np.sin(2 * np.pi * (first * t + (last - first) * t**2 / (2 * seconds)))

    y = mono(c, chirp(np.arange(int(seconds * a)) / a), a, b)
    inner = np.arange(int(0.05 * b), int((seconds - 0.05) * b) // 512 * 512)
    error = y[inner] - (chirp(inner / b) if b > a else 0)
    frames = error[: len(error) // 512 * 512].reshape(-1, 512)
    return db(np.sqrt((frames**2).mean(1).max() / (0.9**2 / 2)))


def round_trip(c: Candidate, a: int, b: int) -> float:
    """Signal to error after resampling and resampling back, dB."""
    spectrum = np.fft.rfft(np.random.default_rng(1).standard_normal(a))
    spectrum[np.fft.rfftfreq(a, 1 / a) > 0.45 * min(a, b)] = 0
    x = np.fft.irfft(spectrum, a)
    x *= 0.12 / x.std()
    middle = slice(a // 8, a * 7 // 8)
    return -db((mono(c, mono(c, x, a, b), b, a)[middle] - x[middle]).std() / x[middle].std())


def quality(candidates: dict[str, Candidate], rates: list[tuple[int, int]]) -> None:
    """Print the quality tables."""
    head = "| resampler | ripple | −0.1 dB at | rejection | THD+N 1k | THD+N 10k | multitone | sweep | round trip |"
    for a, b in rates:
        print(f"\n{a / 1000:g} -> {b / 1000:g} kHz\n\n{head}\n|---|" + "---:|" * 8)
        fn = min(a, b) / 2
        comb = np.append(np.linspace(0.01, 0.89, 30) + 0.003 * np.sin(np.arange(30) ** 2), 0.9) * fn
        for name, c in candidates.items():
            f, h = response(c, a, b)
            inside = h[f <= 0.9]
            single = [f"{tones(c, a, b, np.array([hz]), 0.9):.1f}" if hz < 0.9 * fn else "–" for hz in (997.0, 9973.0)]
            cells = [
                f"{max(abs(db(inside.max())), abs(db(inside.min()))):.4f} dB",
                f"{f[np.argmax(np.abs(20 * np.log10(h + 1e-20)) > 0.1)]:.3f} fn",
                f"{-db(h[f >= 1].max()):.1f}",
                *single,
                f"{tones(c, a, b, comb, 0.9 / 31):.1f}",
                f"{sweep(c, a, b):.1f}",
                f"{round_trip(c, a, b):.1f}",
            ]
            print(f"| {name} ({'float64' if c.dtype == 'f8' else 'float32'}) | {' | '.join(cells)} |", flush=True)


def timed(job: Callable[[], object]) -> float:
    """CPU time of a job, seconds, without the time to free its result."""
    start = time.process_time()
    result = job()
    spent = time.process_time() - start
    del result
    return spent


def compare(
    candidates: dict[str, Candidate],
    rates: list[tuple[int, int]],
    rounds: int,
    job: Callable[[Candidate, Signal, int, int], object],
    own_layout: bool = False,
) -> None:
    """Time a job for the candidates in turns, and print the ratios to the reference.

    With `own_layout`, the job gets the signal in the candidate's own layout.
    """
    torch.set_num_threads(1)
    ratios: dict[str, list[float]] = {name: [] for name in candidates}
    reference = []
    for a, b in rates:
        planar = (np.random.default_rng(0).standard_normal((2, 60 * a)) * 0.2).astype("f4")
        interleaved = np.ascontiguousarray(planar.T)
        spent: dict[str, list[float]] = {name: [] for name in candidates}
        for turn in range(rounds + 1):
            for name, c in candidates.items():
                if min(spent[name], default=0) > 1:  # too slow for its spread to matter
                    continue
                x = interleaved if c.interleaved and own_layout else planar
                try:
                    seconds = timed(lambda c=c, x=x, a=a, b=b: job(c, x, a, b))
                except UsageError:
                    seconds = math.inf
                if turn:  # the first one warms up
                    spent[name].append(seconds)
        reference.append(statistics.median(spent[REFERENCE]))
        for name in candidates:
            ratios[name].append(reference[-1] / statistics.median(spent[name]))
    print("\n| from -> to, kHz | " + " | ".join(candidates) + f" | {REFERENCE}, × real time |")
    print("|---|" + "---:|" * (len(candidates) + 1))
    for i, (a, b) in enumerate(rates):
        cells = " | ".join(f"{ratios[name][i]:.2f}" for name in candidates)
        print(f"| {a / 1000:g} -> {b / 1000:g} | {cells} | {60 / reference[i]:.0f} |")
    print("| geometric mean | " + " | ".join(f"{statistics.geometric_mean(r):.2f}" for r in ratios.values()) + " | |")
    print(f"\ntorch {torch.__version__}, load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def stream(candidates: dict[str, Candidate], rates: list[tuple[int, int]], rounds: int) -> None:
    """Print whether streams equal single calls, and their speed."""
    streaming = {name: c for name, c in candidates.items() if c.stream}

    def join(c: Candidate, x: Signal, a: int, b: int) -> Signal:
        assert c.stream
        return np.concatenate(list(c.stream([x[:, i : i + 4096] for i in range(0, x.shape[1], 4096)], a, b)), 1)

    print("\nOne-shot = streamed, bit for bit:\n")
    for name, c in streaming.items():
        same = []
        for a, b in rates:
            x = (np.random.default_rng(2).standard_normal((2, 3 * a)) * 0.2).astype("f4")
            same.append(np.array_equal(join(c, x, a, b), c.planar(x, a, b)))
        print(f"* {name}: {sum(same)} of {len(rates)} ratios")
    compare(streaming, rates, rounds, join)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("quality", "speed", "stream"))
    parser.add_argument("--only", default="", help="words of the candidates' names, by commas")
    parser.add_argument("--rates", default=RATES, help="in:out in Hz, by commas")
    parser.add_argument("--rounds", type=int, default=7, help="timed rounds; the median counts")
    options = parser.parse_args()
    chosen = installed_candidates(options.only)
    rates = [(int(a), int(b)) for a, b in (pair.split(":") for pair in options.rates.split(","))]
    if options.what == "quality":
        quality(chosen, rates)
    elif options.what == "speed":
        compare(chosen, rates, options.rounds, lambda c, x, a, b: c.call(x, a, b), own_layout=True)
    else:
        stream(chosen, rates, options.rounds)


if __name__ == "__main__":
    main()
