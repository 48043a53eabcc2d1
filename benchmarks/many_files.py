"""Measure the time of thousands of tiny files, and the CPU time of a minute of audio.

    python benchmarks/many_files.py many [--files 100 10000] [--folder /dev/shm]
    python benchmarks/many_files.py minute [--minutes 4]

`many` processes files of 0.1 s with the resampler `linear`, which is the fastest, and then again with `--resume`, which
skips all of them. It prints the seconds until the first output and until the end, and the peak memory of the parent
process, without its worker. `minute` processes a file of a few minutes with each preset. It prints the CPU time of one
core, the bytes read and written, and the part of decoding and hashing. The source is stereo with 16 bits at 44.1 kHz: a
recording from examples/, low-passed at 12 kHz and repeated. The target is FLAC at 96 kHz.
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
    """The row of a number of files: processed, and then skipped."""
    source, target = folder / f"in-{files}", folder / f"out-{files}"
    source.mkdir()
    sf.write(folder / "tiny.wav", np.random.default_rng(0).uniform(-0.1, 0.1, 800), 8_000)
    tiny = (folder / "tiny.wav").read_bytes()
    for index in range(files):
        (source / f"{index}.wav").write_bytes(tiny)
    (folder / "p.yaml").write_text(PIPELINE)
    command = [UPSCALER, "run", str(folder / "p.yaml"), str(source), "-o", str(target), "--quiet"]
    first, done, peak = cost(command, target)
    _, skipped, again = cost([*command, "--resume"], target)
    return f"| {files:,} | {first:.1f} | {done:.0f} | {peak:.0f} | {skipped:.0f} | {again:.0f} |"


def cost(command: list[str], target: Path) -> tuple[float, float, float]:
    """Run a command: seconds until the first output, seconds until the end, peak memory of the parent in MiB."""
    start, first, peak = time.monotonic(), 0.0, 0.0
    process = psutil.Popen(command)
    while process.poll() is None:
        first = first or any(target.glob("*.flac")) * (time.monotonic() - start)
        peak = max(peak, memory(process))
        time.sleep(0.05)
    return first, time.monotonic() - start, peak


def memory(process: psutil.Process) -> float:
    """Memory of a process, MiB; 0 if the process has ended."""
    try:
        return process.memory_info().rss / 2**20
    except psutil.Error:
        return 0


def minute(folder: Path, preset: str, minutes: float) -> str:
    """The row of a preset: the cost of a minute of audio."""
    source, target = folder / "source.wav", folder / f"{preset}.flac"
    command = [UPSCALER, "enhance", "--preset", preset, "--device", "cpu", "--quiet"]
    loop, rate = sf.read(AUDIO, always_2d=True)
    spectrum = np.fft.rfft(loop, axis=0)
    spectrum[12_000 * len(loop) // rate :] = 0
    loop = np.fft.irfft(spectrum, len(loop), axis=0)
    sf.write(folder / "moment.wav", loop[:rate], rate)
    start = cpu_seconds([*command, str(folder / "moment.wav"), "-o", str(folder / f"moment-{preset}.flac")])
    sf.write(source, np.resize(loop, (round(60 * minutes * rate), loop.shape[1])), rate)
    spent = cpu_seconds([*command, str(source), "-o", str(target)]) - start
    read, written = (path.stat().st_size / minutes / 1e6 for path in (source, target))
    return f"| {preset} | {start:.1f} | {spent / minutes:.2f} | {read:.2f} | {written:.2f} |"


def cpu_seconds(command: list[str]) -> float:
    """CPU time of a command and its processes, seconds, with one torch thread each."""
    before = os.times()
    subprocess.run(command, check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def parts(folder: Path, minutes: float) -> str:
    """The row of decoding a source and of hashing it and its output, CPU seconds for a minute of audio."""
    spent = []
    for name, work in (
        ("source.wav", lambda path: sf.read(path, dtype="float32")),
        ("source.wav", lambda path: hashlib.sha256(path.read_bytes()).digest()),
        ("baseline.flac", lambda path: hashlib.sha256(path.read_bytes()).digest()),
    ):
        start = time.process_time()
        work(folder / name)
        spent.append((time.process_time() - start) / minutes)
    return "| CPU s a minute: | decode {:.3f} | hash the source {:.3f} | hash the output {:.3f} | |".format(*spent)


def main() -> None:
    """Print a row for each run."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("what", choices=["many", "minute"])
    arguments.add_argument("--files", type=int, nargs="+", default=[100, 10_000])
    arguments.add_argument("--minutes", type=float, default=4)
    arguments.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        if options.what == "many":
            print("| files | first done, s | all, s | MiB | resumed, s | MiB |\n|" + "---|" * 6)
            for files in options.files:
                print(many(folder, files), flush=True)
        else:
            print("| preset | start, CPU s | CPU s a minute | MB read a minute | MB written a minute |\n|" + "---|" * 5)
            for preset in ("baseline", "restore", "whitepaper"):
                print(minute(folder, preset, options.minutes), flush=True)
            print(parts(folder, options.minutes))


if __name__ == "__main__":
    main()
