"""What is simulated from: excerpts of recordings, and made-up tones and noises that end by themselves."""

from __future__ import annotations

import csv
import functools
import math
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from recording import Audio
from scipy import signal

SECONDS = 10


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
