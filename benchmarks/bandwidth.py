"""How well the survey finds where content ends: clips low-passed in many ways and coded to MP3, and clips left alone.

    python benchmarks/bandwidth.py --data FOLDER [--every 3] [--seconds 10]

Reads every audio file under the folder (the middle of each), applies each filter at each cut-off, stores every other result
as 16 bits with dither, and compares the measured cut-off with the filter's own −6 dB point. A clip is not counted at a
cut-off that its own content does not reach. Needs the extra "bench".
"""

from __future__ import annotations

import argparse
import io
from collections import defaultdict
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from numpy.typing import NDArray
from scipy import signal

from upscaler_core.measure import Bandwidth, Survey, survey

Audio = NDArray[np.float64]  # [time, channel]
CUTOFFS = (4000, 8000, 12000, 16000)
KINDS = {
    "Butterworth 4": lambda fc, rate: signal.butter(4, fc, fs=rate, output="sos"),
    "Butterworth 8": lambda fc, rate: signal.butter(8, fc, fs=rate, output="sos"),
    "Butterworth 12": lambda fc, rate: signal.butter(12, fc, fs=rate, output="sos"),
    "Chebyshev I 8": lambda fc, rate: signal.cheby1(8, 0.5, fc, fs=rate, output="sos"),
    "Chebyshev II 8": lambda fc, rate: signal.cheby2(8, 60, fc, fs=rate, output="sos"),
    "elliptic 8": lambda fc, rate: signal.ellip(8, 0.5, 60, fc, fs=rate, output="sos"),
    "Bessel 8": lambda fc, rate: signal.bessel(8, fc, fs=rate, output="sos", norm="mag"),
    "Kaiser FIR": None,
    "soxr VHQ": None,
}
SOFT = ("Butterworth 4", "Bessel 8")
SOXR_6DB = 0.95
"""soxr VHQ's −6 dB point, in Nyquist frequencies of the lower rate; measured with white noise."""
MP3 = {
    "64 kbps": ("CONSTANT", 0.85),
    "96 kbps": ("CONSTANT", 0.75),
    "128 kbps": ("CONSTANT", 0.65),
    "192 kbps": ("CONSTANT", 0.4),
    "256 kbps": ("CONSTANT", 0.25),
    "320 kbps": ("CONSTANT", 0.0),
    "V0": ("VARIABLE", 0.0),
    "V5": ("VARIABLE", 0.5),
    "V9": ("VARIABLE", 0.9),
}


def measure(x: Audio, rate: int) -> Survey:
    """Survey `[time, channel]`."""
    return survey(torch.from_numpy(np.ascontiguousarray(x.T, dtype=np.float32)).split(65_536, -1), rate)


def lowpass(kind: str, x: Audio, rate: int, cutoff: int) -> tuple[Audio, float]:
    """Filter, and the filter's −6 dB point in Hz."""
    if kind == "soxr VHQ":
        low = soxr.resample(x, rate, 2 * cutoff, quality="VHQ")
        return soxr.resample(low, 2 * cutoff, rate, quality="VHQ")[: len(x)], SOXR_6DB * cutoff
    if kind == "Kaiser FIR":
        taps = signal.firwin(511, cutoff, window=("kaiser", 10), fs=rate)
        return signal.oaconvolve(x, taps[:, None], mode="same", axes=0), cutoff
    design = KINDS[kind]
    assert design is not None
    sos = design(cutoff, rate)
    frequencies, response = signal.sosfreqz(sos, 65_536, fs=rate)
    return signal.sosfilt(sos, x, axis=0), float(frequencies[np.nonzero(np.abs(response) >= 0.5)[0][-1]])


def to_16_bits(x: Audio) -> Audio:
    """Quantize with triangular dither."""
    chance = np.random.default_rng(0)
    return np.clip(np.round(x * 32767 + chance.random(x.shape) - chance.random(x.shape)), -32768, 32767) / 32768


def reaches(x: Audio, rate: int, cutoff: int, own: Bandwidth) -> bool:
    """Whether a clip has content up to a cut-off: no edge of its own below, and 10 dB over 16-bit dither in some frames."""
    if (own.found and own.cutoff_hz < 1.1 * cutoff) or cutoff > 0.45 * rate:
        return False
    _, _, power = signal.spectrogram(x.mean(1), rate, "hann", nperseg=2048, scaling="spectrum", mode="psd")
    loud = np.quantile(10 * np.log10(power + 1e-20).T, 0.9, axis=0)
    return bool(np.median(loud[int(0.85 * cutoff * 2048 / rate) : int(cutoff * 2048 / rate)]) > -115)


def mp3(x: Audio, rate: int, mode: str, level: float) -> tuple[Audio, int]:
    """Code to MP3 and back."""
    file = io.BytesIO()
    options = {"format": "MP3", "subtype": "MPEG_LAYER_III", "compression_level": level, "bitrate_mode": mode}
    with soundfile.SoundFile(file, "w", rate, x.shape[1], **options) as out:
        out.write(x)
    file.seek(0)
    decoded, decoded_rate = soundfile.read(file, always_2d=True)
    return decoded, decoded_rate


def clips(folder: Path, every: int, seconds: float) -> list[tuple[str, Audio, int]]:
    """The middle of every n-th audio file under a folder, at most two channels."""
    known = {"." + name.lower() for name in soundfile.available_formats()} | {".oga"}
    result = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in known)[::every]:
        x, rate = soundfile.read(path, always_2d=True)
        start = max(0, len(x) - int(seconds * rate)) // 2
        result.append((path.name, x[start : start + int(seconds * rate), :2], rate))
    return result


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of audio files")
    parser.add_argument("--every", type=int, default=1, help="use every n-th file only")
    parser.add_argument("--seconds", type=float, default=10.0, help="how much of each file")
    args = parser.parse_args()
    torch.set_num_threads(1)
    errors: dict[tuple[str, int], list[tuple[float, str]]] = defaultdict(list)
    coded: dict[tuple[int, int, str], list[float]] = defaultdict(list)
    missed: dict[tuple[str, int], int] = defaultdict(int)
    originals, skipped, turn = [], 0, 0
    files = clips(args.data, args.every, args.seconds)
    for name, x, rate in files:
        own = measure(x, rate).bandwidth()
        originals.append((own.cutoff_hz, rate, name, own))
        for cutoff in CUTOFFS:
            if not reaches(x, rate, cutoff, own):
                skipped += 1
                continue
            for kind in KINDS:
                turn += 1
                y, point = lowpass(kind, x, rate, cutoff)
                found = measure(to_16_bits(y) if turn % 2 else y, rate).bandwidth()
                if found.found:
                    errors[kind, cutoff].append((found.cutoff_hz / point - 1, name))
                else:
                    missed[kind, cutoff] += 1
        if rate <= 48_000:
            for label, (mode, level) in MP3.items():
                y, decoded_rate = mp3(x, rate, mode, level)
                coded[decoded_rate, x.shape[1], label].append(measure(y, decoded_rate).bandwidth().cutoff_hz)

    print(f"{len(files)} clips; {skipped} pairs of clip and cut-off not counted: the clip's own content ends below\n")
    print(
        "| filter | cut-off | clips | within 5 % | within 10 % | no edge | median error | worst |\n" + 8 * "|---" + "|"
    )
    for kind in KINDS:
        for cutoff in CUTOFFS:
            seen = errors[kind, cutoff]
            size = len(seen) + missed[kind, cutoff]
            if not size:
                continue
            within = [sum(abs(e) <= limit for e, _ in seen) for limit in (0.05, 0.10)]
            worst = max(seen, key=lambda s: abs(s[0]), default=(0.0, "-"))
            middle = float(np.median([e for e, _ in seen])) if seen else 0.0
            print(
                f"| {kind} | {cutoff} | {size} | {within[0]} | {within[1]} | {missed[kind, cutoff]} "
                f"| {middle:+.1%} | {worst[0]:+.0%} {worst[1]} |"
            )
    steep = [e for (kind, _), seen in errors.items() if kind not in SOFT for e, _ in seen]
    size = len(steep) + sum(n for (kind, _), n in missed.items() if kind not in SOFT)
    print(f"\nSteep filters: {sum(abs(e) <= 0.05 for e in steep)} of {size} within 5 %, ", end="")
    print(f"{sum(abs(e) <= 0.1 for e in steep)} within 10 %, {size - len(steep)} without an edge.\n")
    print("| MP3 | rate | channels | white noise ends at | clips | median | lowest | highest |\n" + 8 * "|---" + "|")
    for (rate, channels, label), values in sorted(coded.items()):
        noise = 0.1 * np.random.default_rng(0).standard_normal((8 * rate, channels))
        y, _ = mp3(noise, rate, *MP3[label])
        known = measure(y, rate).bandwidth().cutoff_hz
        print(
            f"| {label} | {rate} | {channels} | {known:.0f} | {len(values)} | {np.median(values):.0f} "
            f"| {min(values):.0f} | {max(values):.0f} |"
        )
    print("\nOriginals in which an edge is found:\n\n| clip | rate | cut-off | drop, dB |\n|---|---|---|---|")
    for cutoff_hz, rate, name, own in sorted(originals, key=lambda o: o[0]):
        if own.found:
            print(f"| {name} | {rate} | {cutoff_hz:.0f} | {own.edge_db:.0f} |")


if __name__ == "__main__":
    main()
