"""Make files as people have them: recordings that were band-limited, resampled, coded, gated, noisy, quiet, or left alone.

    python examples/recipes/detector/simulate.py --out FOLDER --data FOLDER [FOLDER ...] --count 6000 --seed 0

Each file of the output, `SEED.npz`, holds the features and the truth of many simulated recordings; `train.py` reads them.
Truth is known because it was made: the −6 dB point of the filter, the codec and its bit rate, what was added above the edge.
A recording whose content does not reach the cut-off is labelled by its own end: nobody could find the filter.
"""

from __future__ import annotations

import argparse
import csv
import functools
import io
import math
import shutil
import subprocess
import sys
import tempfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
import torch
from numpy.typing import NDArray
from scipy import signal

from upscaler_bandwidth.features import FLOOR_DB, LOWEST_HZ, PER_OCTAVE, CellFeatures
from upscaler_bandwidth.network import ABOVE, CAUSES, CODECS

Audio = NDArray[np.float64]  # [time, channel]
SECONDS = 10
NOISE_BAND_DB = 10 * math.log10(8 / 4096) - 2.5
"""Mean log level of white noise of RMS 1 in a bin of a 4096-point Blackman-Harris window, dB of a full-scale sine."""


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


# ------------------------------------------------------------------ sources


@functools.cache
def frame_count(path: Path) -> int:
    return soundfile.info(path).frames


def recordings(folders: list[Path]) -> list[dict[str, Any]]:
    """Every FLAC file that a manifest lists, with its own end where its coding left a cliff."""
    rows = []
    for folder in folders:
        for manifest in folder.rglob("manifest.csv"):
            for row in csv.DictReader(manifest.open(encoding="utf-8")):
                rate = int(row.get("sr") or row.get("rate") or 0)
                path = manifest.parent / row["file"]
                if rate < 44_100 or not path.exists():
                    continue
                own = float(row.get("bandwidth_hz") or rate / 2)
                cliff = float(row.get("cliff_db") or 25)
                end = own if own < 0.93 * rate / 2 and cliff > 18 else math.inf
                rows.append({"path": path, "rate": rate, "end": end, "kind": row.get("kind", ""), "dark": False})
    return rows


def excerpt(row: dict[str, Any], rng: np.random.Generator) -> tuple[Audio, int]:
    """Ten seconds of a recording, or all of it; a short one is repeated."""
    length, rate = frame_count(row["path"]), row["rate"]
    size = SECONDS * rate
    start = int(rng.integers(0, max(1, length - size)))
    x, _ = soundfile.read(row["path"], start=start, frames=size, always_2d=True)
    x = x[:, :2]
    if rng.random() < 0.3:
        x = x[:, :1]
    if len(x) < size // 2:
        x = np.concatenate([x] * (size // max(1, len(x)) + 1))[:size]
    if rate > 48_000 and rng.random() < 0.7:
        x, rate = soxr.resample(x, rate, 48_000, quality="VHQ"), 48_000
    return x, rate


def synthetic(rng: np.random.Generator) -> tuple[Audio, int]:
    """Tones that end by themselves (additive, plucked, an 808, filtered sawtooth waves, bells), noises, clicks."""
    rate = int(rng.choice([44_100, 48_000]))
    t = np.arange(SECONDS * rate) / rate
    kind = rng.choice(
        ["additive", "pluck", "808", "saw", "organ", "noise", "clicks", "silence", "brown", "tones", "ring"]
    )
    x = np.zeros_like(t)
    if kind == "tones":  # a few steady tones, as of test signals and drawbars
        f = 60 * 2 ** rng.uniform(0, 6)
        for k in rng.choice([0.5, 1, 1.5, 2, 3, 4, 5, 6, 8], int(rng.integers(1, 10)), replace=False):
            x += rng.uniform(0.1, 1) * np.sin(2 * np.pi * f * k * t + k) * (f * k < 0.45 * rate)
        if rng.random() < 0.5:
            x *= 0.6 + 0.4 * np.sin(2 * np.pi * rng.uniform(0.1, 6) * t)
        if rng.random() < 0.4:
            x *= (t % rng.uniform(0.5, 3)) < rng.uniform(0.3, 3)
    if kind == "ring":  # every harmonic decays by itself, the high ones faster: strings, bells
        since, f, speed = t % rng.uniform(0.3, 2), 55 * 2 ** rng.uniform(0, 4), rng.uniform(0.1, 2)
        for k in range(1, int(min(80, 0.45 * rate / f))):
            x += np.exp(-since * k * speed) * np.sin(2 * np.pi * f * k * t) * k ** -rng.uniform(0.8, 1.2)
    if kind in ("additive", "pluck", "organ", "saw", "808"):
        beat = rng.uniform(0.25, 2.0)
        note, fall, damp = t[: int(min(2.5, 3 * beat) * rate)], rng.uniform(0.8, 4), rng.uniform(0, 1.5)
        vibrato = note + (0.0005 * np.sin(2 * np.pi * 5 * note) if rng.random() < 0.5 else 0)
        melody = [40 * 2 ** rng.uniform(0, 1.5) if kind == "808" else 55 * 2 ** rng.uniform(0, 5) for _ in range(4)]
        for number, start in enumerate(np.arange(0, SECONDS - len(note) / rate, beat)):
            f = melody[number % 4]
            decay = np.exp(-note * rng.uniform(0.5, 8)) if kind != "organ" else (note < beat).astype(float)
            decay[-500:] *= np.linspace(1, 0, 500)
            if kind == "808":
                tone = np.tanh(rng.uniform(1, 4) * np.sin(2 * np.pi * (f * note + 2 * (1 - np.exp(-note * 30)))))
            else:
                harmonics = [k for k in range(1, int(min(40, 0.48 * rate / f)) + 1) if k**-fall > 1e-6]
                tone = sum(
                    decay ** (damp * k / 4) * k**-fall * np.sin(2 * np.pi * f * k * vibrato + k) for k in harmonics
                )
            at = int(start * rate)
            x[at : at + len(note)] += decay * tone
        if rng.random() < 0.4:
            x += 10 ** rng.uniform(-4, -1.5) * signal.lfilter([0.25], [1, -0.75], rng.standard_normal(len(t)))
        if kind == "saw" and rng.random() < 0.7:
            b, a = signal.butter(2, rng.uniform(300, 6000), fs=rate)
            x = signal.lfilter(b, a, x)
    elif kind == "noise":
        x = rng.standard_normal(len(t)) * ((t % rng.uniform(0.3, 2)) < rng.uniform(0.2, 2))
    elif kind == "brown":
        x = signal.lfilter([1], [1, -rng.uniform(0.9, 0.999)], rng.standard_normal(len(t)))
    elif kind == "clicks":
        x[rng.integers(0, len(t), 20)] = rng.uniform(-1, 1, 20)
    peak = np.abs(x).max()
    return (x / peak * 10 ** rng.uniform(-1, -0.05) if peak else x)[:, None], rate


# ------------------------------------------------------------------ band limits


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


def limit(sim: Sim, cutoff: float, order: float, cause: str, above: str = "nothing") -> None:
    """Note that the content now ends lower."""
    if cutoff < sim.truth.cutoff_hz * 1.02 or above == "images":
        if cutoff < sim.truth.cutoff_hz:
            sim.truth.cutoff_hz, sim.truth.order, sim.truth.cause = cutoff, order, cause
        if above == "images":
            sim.truth.above = above


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


# ------------------------------------------------------------------ codecs


CODER_TABLE: list[tuple[str, float, dict[str, Any]]] = [
    *(("MP3", kbps, {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": "CONSTANT", "compression_level": level})
      for kbps, level in ((64, 0.85), (96, 0.75), (128, 0.65), (160, 0.5), (192, 0.4), (256, 0.25), (320, 0.0))),
    *(("MP3", kbps, {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": "VARIABLE", "compression_level": level})
      for kbps, level in ((245, 0.0), (190, 0.2), (165, 0.4), (115, 0.6))),
    *(("Vorbis", kbps, {"format": "OGG", "subtype": "VORBIS", "compression_level": 1 - q / 10})
      for kbps, q in ((64, 0), (80, 1), (112, 3), (128, 4), (160, 5), (192, 6))),
    *(("Opus", kbps, {"ffmpeg": ["-c:a", "libopus", "-b:a", f"{kbps}k"], "suffix": ".opus"})
      for kbps in (6, 8, 12, 16, 24, 32, 48, 64, 96)),
    *(("AAC", kbps, {"ffmpeg": ["-c:a", "aac", "-b:a", f"{kbps}k"], "suffix": ".m4a"})
      for kbps in (48, 64, 96, 128, 192, 256)),
    *(("MP3", kbps, {"ffmpeg": ["-c:a", "libmp3lame", *mode], "suffix": ".mp3"})
      for kbps, mode in ((245, ["-q:a", "0"]), (190, ["-q:a", "2"]), (128, ["-b:a", "128k", "-joint_stereo", "0"]))),
    ("AAC", 128, {"ffmpeg": ["-c:a", "wmav2", "-b:a", "128k"], "suffix": ".wma"}),
    ("telephone", 13, {"ffmpeg": ["-c:a", "libgsm", "-ar", "8000", "-ac", "1"], "suffix": ".gsm"}),
    ("telephone", 16, {"ffmpeg": ["-c:a", "libspeex", "-ar", "16000", "-ac", "1", "-b:a", "16k"], "suffix": ".spx"}),
    ("telephone", 64, {"ffmpeg": ["-c:a", "g722", "-ar", "16000", "-ac", "1"], "suffix": ".wav"}),
    ("telephone", 64, {"ffmpeg": ["-c:a", "pcm_mulaw", "-ar", "8000"], "suffix": ".wav"}),
    ("telephone", 32, {"ffmpeg": ["-c:a", "adpcm_ima_wav", "-ar", "22050"], "suffix": ".wav"}),
]  # fmt: skip


def code(x: Audio, rate: int, how: dict[str, Any]) -> Audio:
    """Encode and decode `[time, channel]`, by libsndfile or ffmpeg; the result has the input's rate and channels."""
    if "ffmpeg" not in how:
        file = io.BytesIO()
        with soundfile.SoundFile(file, "w", rate, x.shape[1], **how) as out:
            for start in range(0, len(x), 65_536):
                out.write(x[start : start + 65_536])
        file.seek(0)
        return soundfile.read(file, always_2d=True)[0]
    with tempfile.TemporaryDirectory() as folder:
        source, coded = Path(folder) / "x.wav", Path(folder) / f"y{how['suffix']}"
        soundfile.write(source, x, rate, subtype="FLOAT")
        ffmpeg = ["ffmpeg", "-v", "error", "-threads", "1", "-y"]
        subprocess.run([*ffmpeg, "-i", source, *how["ffmpeg"], coded], check=True)
        raw = subprocess.run(
            [*ffmpeg, "-i", coded, "-ar", str(rate), "-ac", str(x.shape[1]), "-c:a", "pcm_f32le", "-f", "f32le", "-"],
            check=True, capture_output=True,
        ).stdout  # fmt: skip
    return np.frombuffer(raw, np.float32).reshape(-1, x.shape[1]).astype(np.float64)


@functools.cache
def coder_end(index: int, rate: int, channels: int) -> float:
    """Where white noise ends after a codec, Hz; infinite where it keeps all."""
    rng = np.random.default_rng(1)
    x = np.repeat(0.1 * rng.standard_normal((4 * rate, 1)), channels, 1)
    y = code(x, rate, CODER_TABLE[index][2])[rate // 2 : 7 * rate // 2]
    f, before = signal.welch(x[: len(y), 0], rate, nperseg=2048)
    _, after = signal.welch(y[:, 0], rate, nperseg=2048)
    passed = signal.medfilt(10 * np.log10(after + 1e-20), 5) > 10 * np.log10(before.mean()) - 9
    end = float(f[np.nonzero(passed)[0][-1]])
    return end if end < 0.93 * rate / 2 else math.inf


def coded(sim: Sim) -> None:
    """Through a lossy codec."""
    index = int(sim.rng.integers(len(CODER_TABLE)))
    codec, kbps, how = CODER_TABLE[index]
    end = coder_end(index, sim.rate, sim.x.shape[1])
    sim.x = code(np.clip(sim.x, -1, 1), sim.rate, how)
    sim.truth.codec, sim.truth.kbps = codec, kbps
    if end < sim.truth.cutoff_hz * 1.03:
        sim.truth.cutoff_hz, sim.truth.order, sim.truth.cause = min(end, sim.truth.cutoff_hz), 60, "lossy"
    elif math.isinf(sim.truth.cutoff_hz):
        sim.truth.cause = "lossy"
    sim.steps.append(f"{codec}{kbps:g}")


# ------------------------------------------------------------------ levels, noise, silence, containers


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


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(math.log(low), math.log(high))))


# ------------------------------------------------------------------ one recording


def band(hz: float) -> float:
    """The place of a frequency on the scale of bands."""
    return PER_OCTAVE * math.log2(hz / LOWEST_HZ)


def features_of(x: Audio, rate: int) -> NDArray[np.float32]:
    """`[cell, feature, band]`."""
    features = CellFeatures(rate)
    block = torch.from_numpy(np.ascontiguousarray(x.T, dtype=np.float32))
    return torch.cat([features.add(block), features.finish()]).numpy()


def reached(before: Audio, rate: int, truth: Truth, floor: float) -> bool | None:
    """Whether the content that a filter took away had stood clear of the floor; None where that is doubtful."""
    if math.isinf(truth.cutoff_hz):
        return True
    level = np.quantile(features_of(before, rate)[:, 0], 0.95, axis=0)
    first = int(band(truth.cutoff_hz * (1.02 if truth.order > 20 else 1.1)))
    taken = level[first : first + 5]
    if not len(taken):
        return None
    margin = float(taken.mean()) - max(floor, FLOOR_DB)
    return True if margin > 7 else False if margin < -1 else None


def simulate(
    rows: list[dict[str, Any]], rng: np.random.Generator, made_up: float = 0.07, soft: float = 0.0
) -> tuple[NDArray[Any], NDArray[Any], str] | None:
    """One simulated recording: features, truth as numbers, and the steps for people. None = it cannot be labelled."""
    choice = rng.random()
    if choice < made_up:
        x, rate = synthetic(rng)
        row: dict[str, Any] = {"end": math.inf, "dark": True, "path": Path("synthetic")}
    else:
        dark = [r for r in rows if r["dark"]]
        pool = dark if dark and choice < made_up + 0.2 else [r for r in rows if not r["dark"]]
        row = pool[int(rng.integers(len(pool)))]
        x, rate = excerpt(row, rng)
    if len(x) < rate // 2 or not np.isfinite(x).all():
        return None
    if rng.random() < 0.35:
        x = x * 10 ** (-rng.choice([6, 10, 20, 30, 30, 40, 50]) / 20)
    sim = Sim(x, rate, Truth(), rng, [row["path"].stem])
    if row["end"] < 0.93 * rate / 2:
        limit(sim, row["end"], 60, "lossy")
    before = sim.x
    what = rng.random()
    if rng.random() < soft:
        analogue(sim)
    elif what < (0.45 if row["dark"] else 0.24):
        sim.steps.append("original")
    elif what < 0.74:
        resampled(sim)
    elif what < 0.84:
        analogue(sim)
    elif what < 0.88:
        steep_filter(sim)
    else:
        coded(sim)
    n = min(len(before), len(sim.x))
    sim.x, before = sim.x[:n], before[:n]
    floor = -200.0
    if rng.random() < 0.12 and sim.truth.codec == "":
        coded(sim)
        n = min(n, len(sim.x))
    if rng.random() < max(0.25, soft / 2):
        floor = max(floor, noise_floor(sim))
    if rng.random() < 0.06:
        tones(sim)
    if rng.random() < 0.08:  # again converted, by a good resampler
        other = 48_000 if sim.rate != 48_000 else 44_100
        sim.x = soxr.resample(soxr.resample(sim.x, sim.rate, other, "HQ"), other, sim.rate, "HQ")
        if sim.rate > 44_100:
            limit(sim, 0.913 * 22_050, 60, "resampled")
    seed = int(rng.integers(1 << 30))
    if rng.random() < 0.35:
        sim.rng = np.random.default_rng(seed)
        silences(sim)
    sim.rng = rng
    floor = max(floor, container(sim))
    sim.x = sim.x[: len(before)]
    clear = reached(before[: len(sim.x)], sim.rate, sim.truth, floor)
    if clear is None:
        return None
    if not clear:
        sim.truth = Truth(cause="dark" if not sim.truth.codec else "lossy", codec=sim.truth.codec, kbps=sim.truth.kbps)
        if sim.truth.codec == "" and "images" in sim.truth.above:
            return None
    elif math.isinf(sim.truth.cutoff_hz) and sim.truth.cause == "full band":
        level = np.quantile(features_of(before[: len(sim.x)], sim.rate)[:, 0], 0.95, axis=0)
        top = level[int(0.75 * len(level)) : int(0.97 * len(level))]
        if np.median(top) < max(floor, FLOOR_DB) + 3:
            sim.truth.cause = "dark"
    t = sim.truth
    numbers = np.array(
        [-1.0 if math.isinf(t.cutoff_hz) else band(t.cutoff_hz), t.order, CAUSES.index(t.cause), ABOVE.index(t.above),
         CODECS.index(t.codec), t.kbps, sim.rate], np.float32
    )  # fmt: skip
    return features_of(sim.x, sim.rate).astype(np.float16), numbers, " ".join(sim.steps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders with a manifest.csv")
    parser.add_argument("--dark", type=Path, nargs="*", default=[], help="folders of dark originals, WAV or FLAC")
    parser.add_argument("--made-up", type=float, default=0.07, help="share of made-up tones and noises")
    parser.add_argument(
        "--soft", type=float, default=0.0, help="share of recordings with a gentle roll-off, beyond the usual"
    )
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if not shutil.which("ffmpeg"):
        sys.exit("ffmpeg is needed for AAC, Opus and the codecs of telephones")
    torch.set_num_threads(1)
    rows = recordings(options.data)
    for folder in options.dark:
        for path in sorted([*folder.rglob("*.flac"), *folder.rglob("*.wav")]):
            rows.append({"path": path, "rate": soundfile.info(path).samplerate, "end": math.inf, "dark": True})
    options.out.mkdir(parents=True, exist_ok=True)
    print(f"{len(rows)} recordings", flush=True)
    rng = np.random.default_rng([options.seed, zlib.crc32(b"bandwidth")])
    for part in range(max(1, options.count // 250)):
        cells, truths, names, lengths = [], [], [], []
        while len(truths) < min(250, options.count):
            made = simulate(rows, rng, options.made_up, options.soft)
            if made and len(made[0]) and made[0].shape[0] > 3:
                padded = np.full((made[0].shape[0], 3, 135), np.nan, np.float16)
                padded[:, :, : made[0].shape[2]] = made[0][:, :, :135]
                cells.append(padded)
                lengths.append(len(padded))
                truths.append(made[1])
                names.append(made[2])
        np.savez(
            options.out / f"{options.seed:03d}-{part:03d}.npz",
            cells=np.concatenate(cells), lengths=np.array(lengths), truths=np.stack(truths), names=np.array(names),
        )  # fmt: skip
        print(part, flush=True)


if __name__ == "__main__":
    main()
