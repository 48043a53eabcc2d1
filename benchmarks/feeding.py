"""Whether training waits for its data: what the loader costs, and the share of the steps' time spent waiting for it.

    python benchmarks/feeding.py [--audio FOLDER] [--steps 5] [--rates 12]

It is the white paper's training, `examples/recipes/whitepaper.yaml`: steps of 8 excerpts of one second (its section 3).
Costs are CPU time of one core, which other work on the machine hardly changes; shares are of the wall clock, without the
first step, for which the workers start. A step is trained on the processor, its excerpts prepared between the steps (no
workers) or by a worker; or it is slept through for as long as a GPU of a rate given by `--rates`, excerpts a second, would
take. Cold: what is decoded comes from the disk; warm: from memory.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from upscaler_core import discover
from upscaler_core.pipeline import load_form
from upscaler_train.data.dataset import find_recordings
from upscaler_train.data.excerpts import Batch, Excerpts
from upscaler_train.data.recordings import Recording, RecordingCache
from upscaler_train.display import Display
from upscaler_train.recipe import RecipeSpec
from upscaler_train.setup import TrainingSetup, set_up

EXAMPLES = Path(__file__).parent.parent / "examples"
COUNT = 200
"""Excerpts whose cost is measured."""
SLEPT = 60
"""Steps that are slept through."""


def spent(action: Callable[[], object]) -> float:
    """CPU seconds."""
    began = time.process_time()
    action()
    return time.process_time() - began


def cost(excerpts: Excerpts) -> float:
    """CPU seconds an excerpt."""
    excerpts[0]
    return spent(lambda: [excerpts[n] for n in range(COUNT)]) / COUNT


def cool(recordings: list[Recording]) -> None:
    """Have the system drop what it keeps of decoded recordings in memory."""
    for recording in recordings:
        with Path(recording.pcm).open("rb+") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def warm(recordings: list[Recording]) -> None:
    """Have the system keep them there."""
    for recording in recordings:
        Path(recording.pcm).read_bytes()


def waiting(setup: TrainingSetup, step: Callable[[int, Batch], object], steps: int) -> tuple[float, float]:
    """The share of the time spent waiting for data, and seconds a step."""
    batches = iter(setup.batches(0))
    step(0, next(batches))
    waited, began = 0.0, time.monotonic()
    for number in range(1, steps + 1):
        asked = time.monotonic()
        batch = next(batches)
        waited += time.monotonic() - asked
        step(number, batch)
    seconds = time.monotonic() - began
    return waited / seconds, seconds / steps


def main() -> None:
    """Print the costs and a table of the shares."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--audio", type=Path, default=EXAMPLES / "audio")
    parser.add_argument("--steps", type=int, default=5, help="trained; 0 = none")
    parser.add_argument("--rates", type=float, nargs="*", default=[12])
    words = parser.parse_args()
    torch.set_num_threads(1)
    up = discover()
    with tempfile.TemporaryDirectory() as folder, Display(False) as display:
        data = [f"data.train=['{words.audio.resolve()}']", "data.validation=[]", f"data.cache={folder}"]
        sizes = ["epochs=1", f"excerpts={8 * (max(words.steps, SLEPT) + 1)}"]
        recipe = load_form(EXAMPLES / "recipes" / "whitepaper.yaml", RecipeSpec, up, [*data, *sizes])
        cache = RecordingCache(Path(folder), 2**34, 48_000, up.resampler("poly-sinc-hq"), up)
        paths = find_recordings(recipe.data.train, EXAMPLES, up)
        decoding = spent(lambda: list(cache.recordings(paths, print)))
        setup = set_up(recipe, EXAMPLES, "cpu", up, display)
        recordings = list(setup.excerpts.recordings)
        minutes = sum(recording.frames for recording in recordings) / setup.excerpts.rate / 60
        whole = cost(setup.excerpts)
        print(f"decoding, once: {decoding / minutes:.2f} CPU s a minute of audio")
        print(f"an excerpt: {1000 * whole:.1f} CPU ms, so {1 / whole:.0f} a second from one core\n")
        print("| a step | workers | cache | s | waiting for data |\n|---|---|---|---|---|")
        trained = [("trained here", workers, setup.trainer.step, words.steps) for workers in (0, 1) if words.steps]
        slept = [
            (f"slept, {rate:g} excerpts/s", 1, lambda number, batch, rate=rate: time.sleep(8 / rate), SLEPT)
            for rate in words.rates
        ]
        for name, workers, step, steps in [*trained, *slept]:
            at_work = replace(setup, recipe=recipe.model_copy(update={"workers": workers}))
            for state in (cool, warm):
                state(recordings)
                share, seconds = waiting(at_work, step, steps)
                told = f"| {name} | {workers} | {'cold' if state is cool else 'warm'} | {seconds:.2f} | {share:.1%} |"
                print(told, flush=True)


if __name__ == "__main__":
    main()
