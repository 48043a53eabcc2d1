"""Thousands of tiny files, and what a minute of audio costs.

    python benchmarks/many_files.py many [--files 100 10000] [--folder /dev/shm]
    python benchmarks/many_files.py minute [--minutes 4]

`many` sends so many files of 0.1 s through the resampler `linear`, which costs least, and then again with `--resume`, which
skips them all: seconds to the first output and in all, and the peak memory of the parent process, its worker not counted.
`minute` sends a file of some minutes through each preset: CPU time of one core, bytes read and written, and what of it is
decoding and hashing. The source is stereo with 16 bits at 44.1 kHz, a recording from examples/ without what is above 12 kHz,
over and over; the target is FLAC at 96 kHz.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import soundfile as sf

AUDIO = Path(__file__).parent.parent / "examples" / "audio" / "arovane_beat_d_cc0_lossless.flac"
UPSCALER = str(Path(sys.executable).with_name("upscaler"))
PIPELINE = "version: 1\ntarget_rate: 16000\nresampler: {use: linear}\n"


def many(folder: Path, files: int) -> str:
    """A row: the same files done, and then skipped."""
    source, target = folder / f"in-{files}", folder / f"out-{files}"
    source.mkdir()
    sf.write(folder / "tiny.wav", np.random.default_rng(0).uniform(-0.1, 0.1, 800), 8_000)
    tiny = (folder / "tiny.wav").read_bytes()
    for index in range(files):
        (source / f"{index}.wav").write_bytes(tiny)
    (folder / "p.yaml").write_text(PIPELINE)
    words = [UPSCALER, "run", str(folder / "p.yaml"), str(source), "-o", str(target), "--quiet"]
    first, done, peak = cost(words, target)
    _, skipped, again = cost([*words, "--resume"], target)
    return f"| {files:,} | {first:.1f} | {done:.0f} | {peak:.0f} | {skipped:.0f} | {again:.0f} |"


def cost(words: list[str], target: Path) -> tuple[float, float, float]:
    """Run a command: seconds to the first output, seconds in all, the parent's peak memory in MiB."""
    began, first, peak = time.monotonic(), 0.0, 0.0
    process = psutil.Popen(words)
    while process.poll() is None:
        first = first or any(target.glob("*.flac")) * (time.monotonic() - began)
        peak = max(peak, memory(process))
        time.sleep(0.05)
    return first, time.monotonic() - began, peak


def memory(process: psutil.Process) -> float:
    """MiB that a process has in memory; 0 when it is gone."""
    try:
        return process.memory_info().rss / 2**20
    except psutil.Error:
        return 0


def minute(folder: Path, preset: str, minutes: float) -> str:
    """A row: what a minute of audio costs."""
    source, target = folder / "source.wav", folder / f"{preset}.flac"
    words = [UPSCALER, "enhance", "--preset", preset, "--device", "cpu", "--quiet"]
    loop, rate = sf.read(AUDIO, always_2d=True)
    spectrum = np.fft.rfft(loop, axis=0)
    spectrum[12_000 * len(loop) // rate :] = 0
    loop = np.fft.irfft(spectrum, len(loop), axis=0)
    sf.write(folder / "moment.wav", loop[:rate], rate)
    start = processor([*words, str(folder / "moment.wav"), "-o", str(folder / f"moment-{preset}.flac")])
    sf.write(source, np.resize(loop, (round(60 * minutes * rate), loop.shape[1])), rate)
    spent = processor([*words, str(source), "-o", str(target)]) - start
    read, written = (path.stat().st_size / minutes / 1e6 for path in (source, target))
    return f"| {preset} | {start:.1f} | {spent / minutes:.2f} | {read:.2f} | {written:.2f} |"


def processor(words: list[str]) -> float:
    """CPU seconds of a command and its processes, one torch thread each."""
    before = os.times()
    subprocess.run(words, check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def parts(folder: Path, minutes: float) -> str:
    """CPU seconds a minute of decoding a source and of hashing it and its output."""
    spent = []
    for name, work in (
        ("source.wav", lambda path: sf.read(path, dtype="float32")),
        ("source.wav", lambda path: hashlib.sha256(path.read_bytes()).digest()),
        ("baseline.flac", lambda path: hashlib.sha256(path.read_bytes()).digest()),
    ):
        began = time.process_time()
        work(folder / name)
        spent.append((time.process_time() - began) / minutes)
    return "| CPU s a minute: | decode {:.3f} | hash the source {:.3f} | hash the output {:.3f} | |".format(*spent)


def main() -> None:
    """Print a row a run."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("what", choices=["many", "minute"])
    arguments.add_argument("--files", type=int, nargs="+", default=[100, 10_000])
    arguments.add_argument("--minutes", type=float, default=4)
    arguments.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        if chosen.what == "many":
            print("| files | first done, s | all, s | MiB | resumed, s | MiB |\n|" + "---|" * 6)
            for files in chosen.files:
                print(many(folder, files), flush=True)
        else:
            print("| preset | start, CPU s | CPU s a minute | MB read a minute | MB written a minute |\n|" + "---|" * 5)
            for preset in ("baseline", "restore", "whitepaper"):
                print(minute(folder, preset, chosen.minutes), flush=True)
            print(parts(folder, chosen.minutes))


if __name__ == "__main__":
    main()
