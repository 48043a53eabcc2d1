"""Measure the dithers of 16-bit files, their noise, its audibility and their speed, and print a Markdown table.

    python benchmarks/dither.py [--rates 44100,48000,96000,192000] [--seconds 10]

The noise is the difference between the integers and the input, white noise at −20 dBFS. Its level is given relative to
white triangular dither in three ways: over all frequencies, between 2 and 5 kHz, and weighted by the inverse of the
hearing threshold in quiet. "off" is the distance of its spectrum from that of the filter (RMS over frequency, Welch's
method, 4,096 points). Speed is measured with stereo in blocks of 16,384 samples on one core, in CPU time, the best of
three runs.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from scipy import signal

from upscaler_files.quantize import quantizer_for
from upscaler_files.shaping import noise_filter, threshold


def spectrum(x: torch.Tensor, dither: str, rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies in Hz and power density of the noise."""
    y = quantized(x, dither, rate)
    return signal.welch((y - x.double() * 2**15).numpy()[0], rate, nperseg=4096, detrend=False)


def quantized(x: torch.Tensor, dither: str, rate: int) -> torch.Tensor:
    """`[channel, time]` as 16-bit integers."""
    quantizer = quantizer_for(16, dither, rate, 1)
    return torch.cat([*map(quantizer.push, x.split(16384, 1)), quantizer.finish()], 1)


def speed(x: torch.Tensor, dither: str, rate: int) -> float:
    """Seconds of audio that are quantized in a second of CPU time."""
    spent = []
    for _ in range(3):
        start = time.process_time()
        quantized(x, dither, rate)
        spent.append(time.process_time() - start)
    return x.shape[1] / rate / min(spent)


def db(power: float) -> float:
    """A ratio of powers in dB."""
    return 10 * float(np.log10(power))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", default="44100,48000,96000,192000")
    parser.add_argument("--seconds", type=float, default=10)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print("| rate | all noise | 2 … 5 kHz | as heard | off | shaped | tpdf | none |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for rate in map(int, arguments.rates.split(",")):
        x = 0.1 * torch.randn(2, round(arguments.seconds * rate), generator=torch.Generator().manual_seed(rate))
        frequency, white = spectrum(x, "tpdf", rate)
        _, shaped = spectrum(x, "shaped", rate)
        band = (frequency >= 2_000) & (frequency <= 5_000)
        loudness = 10 ** (-threshold(np.maximum(frequency, 20) / 1000) / 10)
        filtered = np.abs(np.fft.rfft([1, *noise_filter(rate)], 4096)) ** 2 * 0.25 / (rate / 2)
        off = np.sqrt(np.square(10 * np.log10(shaped / filtered))[1:-1].mean())
        figures = [
            f"{db(shaped.sum() / white.sum()):+.1f} dB",
            f"{db(shaped[band].sum() / white[band].sum()):+.1f} dB",
            f"{db((loudness * shaped).sum() / (loudness * white).sum()):+.1f} dB",
            f"{off:.2f} dB",
            *(f"{speed(x, dither, rate):,.0f}×" for dither in ("shaped", "tpdf", "none")),
        ]
        print(f"| {rate:,} Hz | {' | '.join(figures)} |")


if __name__ == "__main__":
    main()
