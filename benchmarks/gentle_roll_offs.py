"""What it costs that the place of a gentle roll-off is hard to find: restore cassettes, once as measured, once as told.

    python benchmarks/gentle_roll_offs.py --data FOLDER [--clips 20] [--hiss -60]

Each recording is low-passed at 10 kHz (Butterworth of order 4, forwards and backwards), gets white noise, and is stored in
16 bits. It is restored with the cut-off that the detector finds, and with the true one. Output is a row for each, beside the
cassette itself: the log-spectral distance from the recording, and Zimtohrli's opinion score (5 = the same), means over the
clips. It needs the extra "bench".
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from do_no_harm import excerpt, opinion, originals
from scipy import signal

from upscaler_core import discover, load_pipeline

CUTOFF_HZ = 10_000


def cassette(x: torch.Tensor, rate: int, hiss_db: float) -> torch.Tensor:
    """`[channel, time]` after a gentle low-pass, with noise of that RMS, dBFS, in 16 bits."""
    sos = signal.butter(4, CUTOFF_HZ, fs=rate, output="sos")
    y = signal.sosfiltfilt(sos, x.numpy().astype(np.float64))
    y = y + 10 ** (hiss_db / 20) * np.random.default_rng(0).standard_normal(y.shape)
    return torch.from_numpy((np.round(y * 32_768) / 32_768).astype(np.float32))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--hiss", type=float, default=-60, help="RMS, dBFS")
    options = parser.parse_args()
    torch.set_num_threads(1)
    registry = discover()
    pipeline, lsd = load_pipeline("restore", registry), registry.metric("lsd")
    rows: dict[str, list[tuple[float, float]]] = {}
    found = []
    for _, path in originals(options.data, None, 6)[: options.clips]:
        x, rate = excerpt(path, 6)
        y = cassette(x, rate, options.hiss)
        auto, told = replace(pipeline, target_rate=rate), replace(pipeline, target_rate=rate, cutoff_hz=CUTOFF_HZ)
        cutoff = auto.bandwidth_of([y], rate).lowest.cutoff_hz
        found.append(cutoff)
        for name, z in (("the cassette", y), ("as measured", auto(y, rate)), ("as told", told(y, rate))):
            distance = float(lsd(z[None], x[None], rate))
            rows.setdefault(name, []).append((distance, opinion(x.numpy(), z.numpy(), rate)))
        print(f"# {path.stem}: {cutoff:.0f} Hz", *(f"{name} {v[-1][0]:.2f}" for name, v in rows.items()), flush=True)
    print("| | LSD | Zimtohrli |\n|---|---|---|")
    for name, values in rows.items():
        a, b = np.mean(values, 0)
        print(f"| {name} | {a:.2f} | {b:.2f} |")
    right = sum(abs(hz / CUTOFF_HZ - 1) < 0.07 for hz in found)
    print(f"{right} of {len(found)} cut-offs within 7 %")


if __name__ == "__main__":
    main()
