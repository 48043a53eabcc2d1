"""Read thousands of broken files. Each must give audio, audio with a warning, or an error of one sentence.

    python benchmarks/fuzz.py [--files 10000] [--seed 0] [--keep DIR]

The seeds are snippets of the recordings in examples/, below 20 kB, in every container and coding that libsndfile writes.
Each file is a seed that is cut, or has bits flipped, header fields overwritten, parts zeroed or doubled, or is spliced
with another seed. Its number and --seed determine it. A separate process, which may die, opens the file as the command
line does, measures its bandwidth, and resamples it.

A bug is an unexpected exception, a sample that is not finite, the end of the process, or use of more than 10 s or 1 GiB.
Bugs are listed with the numbers of their files, which --keep stores, and make the exit code 1.
"""

import argparse
import io
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

import numpy as np
import soundfile as sf

AUDIO = Path(__file__).parent.parent / "examples" / "audio" / "arovane_beat_d_cc0_lossless.flac"
SEED_BYTES = 20_000
"""Greatest size of a seed."""
SECONDS = 10
"""Time limit of a file."""
MEMORY = 1 << 30
"""Memory limit of the process, bytes."""
TARGET_RATE = 96_000

GOOD = ("whole", "damaged, read with a warning", "refused with a sentence")
BUGS = ("exception", "crash", "hang", "memory")
INTERESTING = (0, 1, 2, *((1 << bits) + more for bits in (7, 8, 15, 16, 31, 32, 62, 63, 64) for more in (-1, 0)))
WAYS = ("cut", "cut early", "flip", "flip early", "field", "field", "zeros", "splice", "double", "drop")

Seeds = dict[str, list[bytes]]


def seeds() -> Seeds:
    """The contents of the seed files, by container."""
    audio, _ = sf.read(AUDIO, frames=40_000, start=100_000, dtype="float32", always_2d=True)
    contents: Seeds = defaultdict(list)
    for container in sf.available_formats():
        for coding in sf.available_subtypes(container):
            if container not in ("RAW", "SD2") and (data := encoded(audio, container, coding)):
                contents[container].append(data)  # RAW has no header, SD2 keeps its own in a second file
    return dict(contents)


def encoded(audio: np.ndarray, container: str, coding: str) -> bytes | None:
    """The longest snippet that fits, stereo if possible; None if libsndfile cannot write the coding."""
    for channels, rate in ((2, 48_000), (1, 48_000), (1, 8_000)):
        for frames in (40_000, 20_000, 10_000, 4_000, 1_000):
            file = io.BytesIO()
            try:
                sf.write(file, audio[:frames, :channels], rate, coding, format=container)
            except (sf.SoundFileError, TypeError, ValueError):
                break
            if len(file.getvalue()) < SEED_BYTES:
                return file.getvalue()
    return None


def mutated(number: int, seed: int, originals: Seeds) -> tuple[str, bytes]:
    """The container and contents of a file."""
    rng = Random(f"{seed}/{number}")
    container = rng.choice(list(originals))
    data = bytearray(rng.choice(originals[container]))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        mutate(data, rng, originals)
    return container, bytes(data)


def mutate(data: bytearray, rng: Random, originals: Seeds) -> None:
    """Damage the bytes of a file in one random way."""
    size = len(data)
    if not size:
        return
    at = rng.randrange(size)
    match rng.choice(WAYS):
        case "cut":
            del data[at:]
        case "cut early":
            del data[at % 300 :]
        case "flip":
            for _ in range(rng.choice((1, 2, 8, 64))):
                data[rng.randrange(size)] ^= 1 << rng.randrange(8)
        case "flip early":
            for _ in range(rng.choice((1, 2, 8))):
                data[rng.randrange(min(size, 200))] ^= 1 << rng.randrange(8)
        case "field":
            at, width = at % 200, rng.choice((1, 2, 2, 4, 4, 4, 8))
            value = rng.choice((rng.choice(INTERESTING), rng.getrandbits(8 * width), size + rng.randrange(-9, 9)))
            order = rng.choice(("little", "big"))
            data[at : at + width] = (value % (1 << 8 * width)).to_bytes(width, order)
        case "zeros":
            run = rng.choice((4, 40, 400, 4_000))
            data[at : at + run] = bytes(min(run, size - at))
        case "splice":
            other = rng.choice(rng.choice(list(originals.values())))
            data[at:] = other[rng.randrange(len(other)) :]
        case "double":
            data[at:at] = data[rng.randrange(size) :][: rng.choice((1, 2, 100, 4_000))]
        case "drop":
            del data[at : at + rng.choice((1, 2, 100, 4_000))]


def examine(path: Path, registry: object, resampler: object) -> tuple[str, str]:
    """Measure and resample a file: `(outcome, message)`."""
    import torch

    from upscaler_core import InputError, Pipeline
    from upscaler_core.dsp.bandwidth import measure_bandwidth
    from upscaler_core.files.recording import BLOCK, open_recording

    try:
        with open_recording(path, registry) as source:
            measure_bandwidth(source.blocks(BLOCK), source.info.rate)
            pipeline = Pipeline(resampler, TARGET_RATE)
            frames = [0, 0]

            def blocks() -> Iterator[torch.Tensor]:
                for block in source.blocks(BLOCK):
                    frames[0] += block.shape[-1]
                    assert block.shape[0] == source.info.channels, "another number of channels"
                    assert block.shape[-1] <= BLOCK, "a block that is too long"
                    yield block

            for block in pipeline.stream(blocks(), source.info.rate):
                frames[1] += block.shape[-1]
                assert torch.isfinite(block).all(), "samples that are not finite"
            assert frames[1] == -(-frames[0] * TARGET_RATE // source.info.rate), "a result of wrong length"
            if source.info.frames is not None and frames[0] < source.info.frames:
                assert source.damage, "a lost end without a warning"
            return GOOD[bool(source.damage)], source.damage or ""
    except InputError as error:
        return GOOD[2], str(error).removeprefix(str(path))


def serve(connection: Connection, folder: Path, seed: int, originals: Seeds) -> None:
    """The work of the process: receive the numbers of files, and send `(outcome, message)` for each."""
    import torch

    from upscaler_core import discover

    torch.set_num_threads(1)
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # libsndfile and libmpg123 print messages about a file
        os.dup2(null, stream)
    registry = discover()
    resampler = registry.resampler("linear")
    path = folder / "file"
    connection.send(None)
    while True:
        path.write_bytes(mutated(connection.recv(), seed, originals)[1])
        try:
            outcome = examine(path, registry, resampler)
        except Exception as error:  # noqa: BLE001 - these are the bugs to find
            outcome = "exception", f"{type(error).__name__}: {error}"
        if (
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10 > MEMORY
        ):  # this is the peak since the process began
            outcome = "memory", outcome[1]
        connection.send(outcome)


class Supervisor:
    """Lets a process examine one file after the other, and starts a new process after each one that ended."""

    def __init__(self, folder: Path, seed: int, originals: Seeds) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._settings = folder, seed, originals
        self._start()

    def examine(self, number: int) -> tuple[str, str]:
        """The outcome of a file, and the message."""
        try:
            self._connection.send(number)
            if self._connection.poll(SECONDS):
                outcome: tuple[str, str] = self._connection.recv()
            else:
                outcome = "hang", f"more than {SECONDS} s"
        except (EOFError, OSError):
            self._process.join()
            outcome = "crash", f"exit {self._process.exitcode}"
        if outcome[0] in BUGS[1:]:
            self.close()
            self._start()
        return outcome

    def _start(self) -> None:
        self._connection, other_end = self._context.Pipe()
        self._process = self._context.Process(target=serve, args=(other_end, *self._settings), daemon=True)
        self._process.start()
        other_end.close()
        self._connection.recv()  # the process is ready; its imports do not count as the file's time

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self._connection.close()


def main() -> None:
    """Print a row for each container, and each bug."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--files", type=int, default=10_000)
    arguments.add_argument("--first", type=int, default=0, help="number of the first file")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--keep", type=Path, help="a folder for the files that show bugs")
    options = arguments.parse_args()
    originals = seeds()
    tally: dict[str, Counter[str]] = {container: Counter() for container in originals}
    bugs: list[str] = []
    slowest, start = 0.0, time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        supervisor = Supervisor(Path(name), options.seed, originals)
        for number in range(options.first, options.first + options.files):
            container, data = mutated(number, options.seed, originals)
            started = time.monotonic()
            outcome, message = supervisor.examine(number)
            slowest = max(slowest, time.monotonic() - started)
            tally[container][outcome] += 1
            if outcome in BUGS:
                bugs.append(f"* file {number}, {container}: {outcome}: {message}")
                print(bugs[-1], file=sys.stderr, flush=True)
                if options.keep:
                    options.keep.mkdir(parents=True, exist_ok=True)
                    (options.keep / f"{number}.{container.lower()}").write_bytes(data)
        supervisor.close()
    total = sum(tally.values(), Counter())
    columns = [*GOOD, *BUGS]
    print("| container | files | " + " | ".join(columns) + " |\n|" + "---|" * (len(columns) + 2))
    for container, counts in [*sorted(tally.items()), ("**all**", total)]:
        print(f"| {container} | {counts.total():,} | " + " | ".join(f"{counts[column]:,}" for column in columns) + " |")
    spent = time.monotonic() - start
    print(f"\n{sum(map(len, originals.values()))} seeds; {spent:.0f} s in all, {slowest:.1f} s for the slowest file")
    print("\n".join(bugs))
    sys.exit(bool(bugs))


if __name__ == "__main__":
    main()
