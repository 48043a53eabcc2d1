"""Send originals, which lack nothing, through a preset, and measure what a listener could notice.

    python benchmarks/do_no_harm.py --data FOLDER [FOLDER ...] [--solos FOLDER] [--preset restore] [--seconds 10]

Each original (those that `manifest.csv` says end at 15 kHz or higher, and solo instruments that end by themselves) is
enhanced at its own rate and compared with the resampler alone: whether it changed, and Zimtohrli's opinion score of the
difference, 5 = the same (Google 2024; the wheel `zimtohrli`, 48 kHz, the worst channel). Output is a table by kind. It
needs the extra "bench".
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from zimtohrli import mos_from_signals

from upscaler_core import discover, load_pipeline


def originals(folders: list[Path], solos: Path | None, seconds: float) -> list[tuple[str, Path]]:
    """Kind and file."""
    found = []
    for folder in folders:
        for manifest in sorted(folder.rglob("manifest.csv")):
            for row in csv.DictReader(manifest.open(encoding="utf-8")):
                path, rate = manifest.parent / row["file"], int(row.get("sr") or row["rate"])
                if (
                    float(row["bandwidth_hz"]) > 15_000
                    and rate <= 48_000
                    and path.exists()
                    and float(row["seconds"]) > 1
                ):
                    found.append((row["kind"], path))
    return found + [("solo instrument", path) for path in sorted(solos.glob("*.flac") if solos else [])]


def excerpt(path: Path, seconds: float) -> tuple[torch.Tensor, int]:
    """The middle of a file, `[channel, time]`, and its rate."""
    x, rate = soundfile.read(path, always_2d=True, dtype="float32")
    start = max(0, len(x) - int(seconds * rate)) // 2
    return torch.from_numpy(x[start : start + int(seconds * rate), :2].T.copy()), rate


def opinion(a: np.ndarray, b: np.ndarray, rate: int) -> float:
    """Zimtohrli's score of `[channel, time]`, the worst channel's."""
    scores = []
    for x, y in zip(a, b, strict=True):
        x48, y48 = (soxr.resample(z, rate, 48_000, "VHQ").astype(np.float32) for z in (x, y))
        scores.append(float(mos_from_signals(x48, y48)))
    return min(scores)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--solos", type=Path)
    parser.add_argument("--preset", default="restore")
    parser.add_argument("--detector", default="")
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    registry = discover()
    settings = [f"detector={{use: {options.detector}}}"] if options.detector else []
    pipeline = load_pipeline(options.preset, registry, settings)
    rows: dict[str, list[tuple[str, bool, float, float]]] = defaultdict(list)
    for kind, path in originals(options.data, options.solos, options.seconds):
        x, rate = excerpt(path, options.seconds)
        line = replace(pipeline, target_rate=rate)
        alone = replace(line, models={})(x, rate)
        enhanced = line(x, rate)
        same = bool(torch.equal(alone, enhanced))
        score = 5.0 if same else opinion(alone.numpy(), enhanced.numpy(), rate)
        added = 0.0 if same else float(10 * torch.log10((enhanced - alone).square().mean() + 1e-15))
        rows[kind].append((path.stem, same, score, added))
        if not same:
            track = line.bandwidth_of([x], rate)
            edges = ", ".join(
                f"{s.bandwidth.cutoff_hz:.0f} Hz ({s.bandwidth.confidence:.0%})" for s in track.segments[:4]
            )
            print(f"# {kind} {path.stem}: {edges}, added {added:.0f} dBFS, Zimtohrli {score:.2f}", flush=True)
    print("| kind | originals | unchanged | lowest score of the others | all at 4.9 or more |\n|---|---|---|---|---|")
    for kind, found in rows.items():
        changed = [score for _, same, score, _ in found if not same]
        lowest = f"{min(changed):.2f}" if changed else "–"
        well = all(score >= 4.9 for _, _, score, _ in found)
        print(f"| {kind} | {len(found)} | {len(found) - len(changed)} | {lowest} | {'yes' if well else 'no'} |")


if __name__ == "__main__":
    main()
