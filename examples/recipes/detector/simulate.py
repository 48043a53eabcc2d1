"""Make files as people have them: recordings that were band-limited, resampled, coded, gated, noisy, quiet, or left alone.

    python examples/recipes/detector/simulate.py --out FOLDER --data FOLDER [FOLDER ...] --count 6000 --seed 0

Each file of the output, `SEED.npz`, holds the features and the truth of many simulated recordings; `train.py` reads them.
Truth is known because it was made: the −6 dB point of the filter, the codec and its bit rate, what was added above the edge.
A recording whose content does not reach the cut-off is labelled by its own end: nobody could find the filter.
"""

from __future__ import annotations

import argparse
import math
import shutil
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
import torch
from band_limits import analogue, resampled, steep_filter
from disturbances import noise_floor, silences, tones
from lossy_codecs import coded
from numpy.typing import NDArray
from recording import Audio, Sim, Truth, band, features_of, limit
from sources import excerpt, recordings, synthetic
from storage import container

from upscaler_bandwidth.features import FLOOR_DB
from upscaler_bandwidth.network import ABOVE, CAUSES, CODECS


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
    rows: list[dict[str, Any]], rng: np.random.Generator, made_up: float = 0.07, originals: float = 0.0
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
    if rng.random() < originals or what < (0.45 if row["dark"] else 0.24):
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
    if rng.random() < 0.25 * (1 - originals):
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
        "--originals", type=float, default=0.0, help="share of recordings that are left alone, beyond the usual"
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
            made = simulate(rows, rng, options.made_up, options.originals)
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
