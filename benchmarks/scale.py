"""Measure memory and speed for an hour and for a minute of audio: the baseline, a pipeline with fake models, `restore`.

    python benchmarks/scale.py [--minutes 1 60] [--folder DIR]

Each run has its own process, so that the operating system measures its peak memory and CPU time. The source is stereo at
44.1 kHz: a repeated recording from examples/, whose level changes slowly so that no two minutes are equal. The target is
FLAC with 24 bits at 96 kHz, after the limiter at -1 dBTP.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile as sf

AUDIO = Path(__file__).parent.parent / "examples" / "audio" / "arovane_beat_d_cc0_lossless.flac"

RUN = """
import sys, torch
from upscaler_core import Chunk, Pipeline, discover, load_pipeline
from upscaler_core.testing.fakes import Hiss, MeanFusion, Mirror, MirrorOptions
torch.set_num_threads(1)
kind, source, target = sys.argv[1:]
up = discover()
fakes = {}
if kind == "fake models":
    fakes = dict(
        models={
            "hiss": Hiss(MirrorOptions(receptive_field=None, level=0.01)),
            "mirror": Mirror(MirrorOptions(receptive_field=4, level=0.01)),
        },
        fusion=MeanFusion(None), cutoff_hz=12000.0, stereo="mid-side",
    )
finish = [up.finisher("limiter")]
if kind == "restore":
    pipeline = load_pipeline("restore", up, ["target_rate=96000", "cutoff_hz=8000"])
else:
    pipeline = Pipeline(resampler=up.resampler("poly-sinc-hq"), target_rate=96000, finish=finish, **fakes)
if kind != "imports":
    pipeline.write(source, target)
"""


def make_source(path: Path, minutes: float) -> None:
    """Write the source file."""
    loop, rate = sf.read(AUDIO, dtype="float32", always_2d=True)
    remaining = round(minutes * 60 * rate)
    with sf.SoundFile(path, "w", rate, 2, "PCM_16") as file:
        turn = 0
        while remaining:
            block = loop[:remaining] * (0.5 + 0.4 * np.sin(turn))
            file.write(block)
            remaining -= len(block)
            turn += 1


def measure(command: list[str]) -> tuple[float, float]:
    """Run a process: `(peak memory in MiB, CPU seconds)`."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command} ended with {process.returncode}")
    return usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime


def main() -> None:
    """Print a row for each run."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--minutes", type=float, nargs=2, default=[1, 60])
    arguments.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    options = arguments.parse_args()
    print("| pipeline | minutes | peak memory, MiB | ratio | CPU seconds | x real time, one core |\n|" + "---|" * 6)
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        base, _ = measure([sys.executable, "-c", RUN, "imports", "", ""])
        print(f"| imports alone | | {base:.0f} | | | |", flush=True)
        for kind in ("baseline", "fake models", "restore"):
            first = 0.0
            for minutes in options.minutes:
                source, target = folder / "source.wav", folder / "target.flac"
                make_source(source, minutes)
                memory, seconds = measure([sys.executable, "-c", RUN, kind, str(source), str(target)])
                first = first or memory
                row = f"| {kind} | {minutes:g} | {memory:.0f} | {memory / first:.3f} | {seconds:.1f} "
                print(row + f"| {minutes * 60 / seconds:.0f} |", flush=True)
                target.unlink()


if __name__ == "__main__":
    main()
