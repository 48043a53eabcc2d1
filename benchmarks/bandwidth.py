"""Test the bandwidth measurement with clips that are low-passed in many ways, encoded and decoded, or unchanged.

    python benchmarks/bandwidth.py --data FOLDER [--every 3] [--seconds 10] [--originals]

It reads the middle of every audio file in the folder, applies each filter at each cut-off, quantizes every other result
to 16 bits with dither, and compares the measured cut-off with the filter's −6 dB point. A filter is **steep** if its
response falls from −6 to −40 dB within a third of an octave. A clip does not count at a −6 dB point that its content does
not reach: its level in the third of an octave below (98th percentile of the frames) must be 20 dB above 16-bit dither,
and it must not have an edge of its own less than a tenth above. The output of soxr VHQ at lower rates is measured too. If
a `manifest.csv` next to a file gives its bandwidth (columns `file` and `bandwidth_hz`), that of the unchanged clip is
compared with it. The script needs the extra "bench", and ffmpeg for AAC.
"""

from __future__ import annotations

import argparse
import csv
import functools
import io
import itertools
import math
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from numpy.typing import NDArray
from scipy import signal

from upscaler_core.dsp.bandwidth import Bandwidth
from upscaler_core.dsp.edge_rules import LOWEST_HZ, PER_OCTAVE, band_levels, find_bandwidth

Audio = NDArray[np.float64]  # [time, channel]
CUTOFFS = (4000, 8000, 12000, 16000)
DESIGNS = {
    "elliptic": lambda order, fc, rate: signal.ellip(order, 0.5, 60, fc, fs=rate, output="sos"),
    "Chebyshev I": lambda order, fc, rate: signal.cheby1(order, 0.5, fc, fs=rate, output="sos"),
    "Chebyshev II": lambda order, fc, rate: signal.cheby2(order, 60, fc, fs=rate, output="sos"),
    "Butterworth": lambda order, fc, rate: signal.butter(order, fc, fs=rate, output="sos"),
    "Bessel": lambda order, fc, rate: signal.bessel(order, fc, fs=rate, output="sos", norm="mag"),
}
KINDS = (
    "soxr VHQ down and up", "soxr MQ down and up", "Kaiser FIR", "Hann FIR", "elliptic 12", "elliptic 8", "elliptic 6",
    "elliptic 4", "Chebyshev I 12", "Chebyshev I 8", "Chebyshev I 6", "Chebyshev I 4", "Chebyshev II 12",
    "Chebyshev II 8", "Chebyshev II 4", "Butterworth 12", "Butterworth 8", "Butterworth 6", "Butterworth 4", "Bessel 12",
    "Bessel 8",
)  # fmt: skip
DITHER_DB = -128.0
"""The level of 16-bit dither in the bands of the measurement."""
RATES = (8000, 16_000, 24_000)
SOXR_6DB = 0.956
"""The −6 dB point of soxr VHQ, as a share of the Nyquist frequency of the lower rate."""
CODERS: dict[str, dict[str, str | float]] = {
    **{
        f"MP3 {kbps} kbps": {"format": "MP3", "compression_level": level, "bitrate_mode": "CONSTANT"}
        for kbps, level in ((64, 0.85), (96, 0.75), (128, 0.65), (192, 0.4), (256, 0.25), (320, 0.0))
    },
    **{f"Vorbis q{q}": {"format": "OGG", "subtype": "VORBIS", "compression_level": 1 - q / 10} for q in (0, 3, 6)},
}
AAC = {f"AAC {kbps} kbps": kbps for kbps in (64, 128)}


def levels_of(x: Audio, rate: int) -> torch.Tensor:
    """The levels `[frame, band]` of `[time, channel]`, dB."""
    return band_levels([torch.from_numpy(np.ascontiguousarray(x.T, dtype=np.float32))], rate)


def measure(x: Audio, rate: int) -> Bandwidth:
    """The bandwidth of `[time, channel]`."""
    return find_bandwidth(levels_of(x, rate), rate)


def lowpass(kind: str, x: Audio, rate: int, cutoff: int) -> Audio:
    """Filter `[time, channel]`."""
    if kind.startswith("soxr"):
        low = soxr.resample(x, rate, 2 * cutoff, quality=kind.split()[1])
        return soxr.resample(low, 2 * cutoff, rate, quality=kind.split()[1])[: len(x)]
    if kind.endswith("FIR"):
        size, window = (511, ("kaiser", 10)) if kind == "Kaiser FIR" else (255, "hann")
        taps = signal.firwin(size, cutoff, window=window, fs=rate)
        return signal.oaconvolve(x, taps[:, None], mode="same", axes=0)
    design, order = kind.rsplit(" ", 1)
    return signal.sosfilt(DESIGNS[design](int(order), cutoff, rate), x, axis=0)


@functools.cache
def response(kind: str, rate: int, cutoff: int) -> tuple[float, bool]:
    """The −6 dB point of a filter in Hz, and whether the filter is steep, from its impulse response."""
    impulse = np.zeros((65_536, 1))
    impulse[32_768] = 1
    spectrum = np.abs(np.fft.rfft(lowpass(kind, impulse, rate, cutoff)[:, 0], 65_536))
    point, foot = (np.nonzero(spectrum >= level)[0][-1] * rate / 65_536 for level in (0.5, 0.01))
    return float(point), bool(foot <= point * 2 ** (1 / 3))


def to_16_bits(x: Audio) -> Audio:
    """Quantize with triangular dither."""
    generator = np.random.default_rng(0)
    return np.clip(np.round(x * 32767 + generator.random(x.shape) - generator.random(x.shape)), -32768, 32767) / 32768


def reaches(levels: torch.Tensor, rate: int, cutoff: float) -> bool:
    """Whether a clip has content up to a cut-off, as the module's docstring defines it."""
    bandwidth = find_bandwidth(levels, rate)
    if (bandwidth.has_edge and bandwidth.cutoff_hz < 1.1 * cutoff) or cutoff > 0.47 * rate:
        return False
    band = int(PER_OCTAVE * np.log2(cutoff / LOWEST_HZ))
    below = levels[:, band - PER_OCTAVE // 3 : band + 1].double()
    return float(torch.quantile(below, 0.98, 0).mean()) > DITHER_DB + 20


def code(label: str, x: Audio, rate: int) -> tuple[Audio, int]:
    """Encode and decode."""
    file = io.BytesIO()
    if label in AAC:
        soundfile.write(file, x, rate, format="WAV")
        ffmpeg = ["ffmpeg", "-v", "error"]
        encode = [*ffmpeg, "-i", "-", "-f", "adts", "-c:a", "aac", "-b:a", f"{AAC[label]}k", "-"]
        coded = subprocess.run(encode, input=file.getvalue(), capture_output=True)
        decode = [*ffmpeg, "-f", "aac", "-i", "-", "-f", "wav", "-c:a", "pcm_f32le", "-"]
        file = io.BytesIO(subprocess.run(decode, input=coded.stdout, capture_output=True).stdout)
    else:
        with soundfile.SoundFile(file, "w", rate, x.shape[1], **CODERS[label]) as out:
            for start in range(0, len(x), 65_536):
                out.write(x[start : start + 65_536])
        file.seek(0)
    return soundfile.read(file, always_2d=True)


def synthetic(rate: int) -> Iterator[tuple[str, Audio, float]]:
    """Synthetic signals: name, samples, and bandwidth in Hz."""
    t = np.arange(10 * rate) / rate
    noise = 0.1 * np.random.default_rng(0).standard_normal(len(t))
    pitch = 587.0 * 2.0 ** (np.array([0, 4, 7, 12, 7, 4, 0, 5, 9, 12])[t.astype(int)] / 12)
    phase = 2 * np.pi * np.cumsum(pitch * (1 + 0.006 * np.sin(2 * np.pi * 5 * t))) / rate
    breath = signal.lfilter([0.25], [1, -0.75], noise)  # one pole, but no zero at the Nyquist frequency
    flute = sum(10 ** (-k / 2.5) * np.sin(k * phase) for k in range(1, 11)) + 0.1 * breath
    signals = {
        "digital silence": 0 * t,
        "1 kHz tone": 0.5 * np.sin(2 * np.pi * 1000 * t),
        "flute-like tones with breath": 0.3 * flute,
        "white noise": noise,
        "noise in bursts, with pauses": noise * (t % 0.7 < 0.4),
        "brown noise": signal.lfilter([1], [1, -0.999], noise) / 30,
    }
    for name, x in signals.items():
        yield name, x[:, None], rate / 2
        yield name + ", 16 bits", to_16_bits(x[:, None]), rate / 2
    yield "white noise to 8 kHz", lowpass("Kaiser FIR", noise[:, None], rate, 8000), 8000


def clips(folder: Path, every: int, seconds: float) -> Iterator[tuple[str, Audio, int, float | None]]:
    """The middle of every n-th audio file: name, at most two channels, rate, and the bandwidth if a table gives it."""
    known = {"." + name.lower() for name in soundfile.available_formats()} | {".oga"}
    bandwidths = {
        path.parent / row["file"]: float(row["bandwidth_hz"])
        for path in folder.rglob("manifest.csv")
        for row in csv.DictReader(path.open())
    }
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in known)[::every]:
        x, rate = soundfile.read(path, always_2d=True)
        start = max(0, len(x) - int(seconds * rate)) // 2
        yield path.name, x[start : start + int(seconds * rate), :2], rate, bandwidths.get(path)


def cell(errors: list[float | None]) -> str:
    """The number of errors within 5 %, of all, and in brackets of clips without an edge."""
    missed = errors.count(None)
    near = sum(error is not None and abs(error) <= 0.05 for error in errors)
    return f"{near}/{len(errors)}" + (f" ({missed})" if missed else "")


def table(title: str, errors: dict[tuple[str, int], list[float | None]]) -> None:
    """Print a table of filters by cut-offs."""
    print(f"| {title} | 4 kHz | 8 kHz | 12 kHz | 16 kHz | median error | worst |\n" + 7 * "|---" + "|")
    total: list[float | None] = []
    for kind in KINDS:
        row = [errors[kind, cutoff] for cutoff in CUTOFFS]
        measured = [e for part in row for e in part if e is not None]
        total += [e for part in row for e in part]
        if measured:
            cells = " | ".join(cell(part) if part else "" for part in row)
            print(f"| {kind} | {cells} | {np.median(measured):+.1%} | {max(measured, key=abs):+.0%} |")
    near = sum(e is not None and abs(e) <= 0.1 for e in total)
    print(f"\nIn all {cell(total)} within 5 % (without an edge), {near} within 10 %.\n")


def print_codecs(coders: list[str], coded: dict[str, list[Bandwidth]]) -> None:
    """Print the bandwidth of decoded clips, and that of decoded white noise."""
    print("| codec, 44.1 kHz | white noise ends at | clips | with an edge | lowest tenth | median | highest tenth |")
    print(7 * "|---" + "|")
    noise = 0.1 * np.random.default_rng(0).standard_normal((8 * 44_100, 1))
    for label in coders:
        known = measure(*code(label, noise, 44_100)).cutoff_hz
        quantiles = np.quantile([bandwidth.cutoff_hz for bandwidth in coded[label]], (0.1, 0.5, 0.9))
        edges = sum(bandwidth.has_edge for bandwidth in coded[label])
        cells = " | ".join(f"{value:.0f}" for value in quantiles)
        print(f"| {label} | {known:.0f} | {len(coded[label])} | {edges} | {cells} |")


def print_synthetic() -> None:
    """Print the measured bandwidth of the synthetic signals."""
    print("\n| made up | content to, Hz | measured, Hz |\n|---|---|---|")
    for name, x, end in synthetic(44_100):
        print(f"| {name} | {end:.0f} | {measure(x, 44_100).cutoff_hz:.0f} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of audio files")
    parser.add_argument("--every", type=int, default=1, help="use every n-th file only")
    parser.add_argument("--seconds", type=float, default=10.0, help="how much of each file")
    parser.add_argument("--originals", action="store_true", help="survey the clips as they are, and nothing else")
    options = parser.parse_args()
    torch.set_num_threads(1)
    coders = [*CODERS, *(AAC if shutil.which("ffmpeg") else ())]
    errors: dict[bool, dict[tuple[str, int], list[float | None]]] = {
        steep: defaultdict(list) for steep in (True, False)
    }
    resampled: dict[int, list[float | None]] = defaultdict(list)
    coded: dict[str, list[Bandwidth]] = defaultdict(list)
    originals: list[tuple[float, str, int, float, Bandwidth]] = []
    count = turn = unreached = 0
    for name, x, rate, stated in clips(options.data, options.every, options.seconds):
        count += 1
        unchanged = levels_of(x, rate)
        own = find_bandwidth(unchanged, rate)
        end = rate / 2 if stated is None else stated
        originals.append((own.cutoff_hz / end, name, rate, end, own))
        if options.originals:
            continue
        for kind, cutoff in itertools.product(KINDS, CUTOFFS):
            point, steep = response(kind, rate, cutoff) if cutoff < 0.45 * rate else (math.inf, True)
            if not reaches(unchanged, rate, point):
                unreached += 1
                continue
            turn += 1
            y = lowpass(kind, x, rate, cutoff)
            result = measure(to_16_bits(y) if turn % 2 else y, rate)
            errors[steep][kind, cutoff].append(result.cutoff_hz / point - 1 if result.has_edge else None)
        for low_rate in RATES:
            point = SOXR_6DB * low_rate / 2
            if low_rate < rate and reaches(unchanged, rate, point):
                y = soxr.resample(x, rate, low_rate, quality="VHQ")
                for result in (measure(y, low_rate), measure(to_16_bits(y), low_rate)):
                    resampled[low_rate].append(result.cutoff_hz / point - 1 if result.has_edge else None)
        if rate == 44_100 and not (own.has_edge and own.cutoff_hz < 19_000):
            for label in coders:
                coded[label].append(measure(*code(label, x, rate)))

    if not options.originals:
        print(f"{count} clips; {unreached} pairs of filter and clip not counted: the clip's content does not reach\n")
        table("steep: −6 to −40 dB within a third of an octave", errors[True])
        table("soft", errors[False])
        for low_rate, low_rate_errors in resampled.items():
            print(f"soxr VHQ to {low_rate} Hz, within 5 % of {SOXR_6DB * low_rate / 2:.0f} Hz: {cell(low_rate_errors)}")
        print()
        print_codecs(coders, coded)
        print_synthetic()
    low = [o for o in originals if o[0] < 0.93]
    print(
        f"\n{len(originals)} originals; the cut-off measured more than 7 % below where content is said to end in these:\n"
    )
    print("| clip | rate | said, Hz | measured, Hz | drop, dB | slope, dB/octave |\n" + 6 * "|---" + "|")
    for _, name, rate, end, own in sorted(low):
        print(f"| {name} | {rate} | {end:.0f} | {own.cutoff_hz:.0f} | {own.drop_db:.0f} | {own.slope:.0f} |")


if __name__ == "__main__":
    main()
