"""Measure whether training waits for its data: the cost of loading, and the share of the steps' time that it takes.

    python benchmarks/feeding.py [--audio FOLDER] [--steps 5] [--rates 12]

The training is that of the white paper, `examples/recipes/whitepaper.yaml`: steps of 8 excerpts of one second (its
section 3). Costs are CPU time of one core, since other work on the machine hardly changes it. Shares are of the elapsed
time, without the first step, in which the workers start. A step is trained on the processor, while the excerpts are
prepared between the steps (no workers) or by a worker. Or the process sleeps as long as a GPU would take that trains the
number of excerpts a second that `--rates` gives. Cold: decoded audio comes from the disk; warm: it comes from memory.
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
from upscaler_train.run_setup import TrainingSetup, set_up

EXAMPLES = Path(__file__).parent.parent / "examples"
COUNT = 200
"""Number of excerpts whose cost is measured."""
SLEPT = 60
"""Number of steps that are simulated by sleeping."""


def cpu_seconds(action: Callable[[], object]) -> float:
    """The CPU time of an action, seconds."""
    start = time.process_time()
    action()
    return time.process_time() - start


def cost(excerpts: Excerpts) -> float:
    """The CPU time of an excerpt, seconds."""
    excerpts[0]
    return cpu_seconds(lambda: [excerpts[n] for n in range(COUNT)]) / COUNT


def cool(recordings: list[Recording]) -> None:
    """Make the operating system drop decoded recordings from its memory."""
    for recording in recordings:
        with Path(recording.pcm).open("rb+") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def warm(recordings: list[Recording]) -> None:
    """Make the operating system load decoded recordings into its memory."""
    for recording in recordings:
        Path(recording.pcm).read_bytes()


def waiting(setup: TrainingSetup, step: Callable[[int, Batch], object], steps: int) -> tuple[float, float]:
    """The share of the time that is spent waiting for data, and the seconds of a step."""
    batches = iter(setup.batches(0))
    step(0, next(batches))
    waited, start = 0.0, time.monotonic()
    for number in range(1, steps + 1):
        step_start = time.monotonic()
        batch = next(batches)
        waited += time.monotonic() - step_start
        step(number, batch)
    seconds = time.monotonic() - start
    return waited / seconds, seconds / steps


def main() -> None:
    """Print the costs and a table of the shares."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--audio", type=Path, default=EXAMPLES / "audio")
    parser.add_argument("--steps", type=int, default=5, help="trained; 0 = none")
    parser.add_argument("--rates", type=float, nargs="*", default=[12])
    options = parser.parse_args()
    torch.set_num_threads(1)
    up = discover()
    with tempfile.TemporaryDirectory() as folder, Display(False) as display:
        data = [f"data.train=['{options.audio.resolve()}']", "data.validation=[]", f"data.cache={folder}"]
        sizes = ["epochs=1", f"excerpts={8 * (max(options.steps, SLEPT) + 1)}"]
        recipe = load_form(EXAMPLES / "recipes" / "whitepaper.yaml", RecipeSpec, up, [*data, *sizes])
        cache = RecordingCache(Path(folder), 2**34, 48_000, up.resampler("poly-sinc-hq"), up)
        paths = find_recordings(recipe.data.train, EXAMPLES, up)
        decoding = cpu_seconds(lambda: list(cache.recordings(paths, print)))
        setup = set_up(recipe, EXAMPLES, "cpu", up, display)
        recordings = list(setup.excerpts.recordings)
        minutes = sum(recording.frames for recording in recordings) / setup.excerpts.rate / 60
        excerpt = cost(setup.excerpts)
        print(f"decoding, once: {decoding / minutes:.2f} CPU s a minute of audio")
        print(f"an excerpt: {1000 * excerpt:.1f} CPU ms, so {1 / excerpt:.0f} a second from one core\n")
        print("| a step | workers | cache | s | waiting for data |\n|---|---|---|---|---|")
        trained = [("trained here", workers, setup.trainer.step, options.steps) for workers in (0, 1) if options.steps]
        slept = [
            (f"slept, {rate:g} excerpts/s", 1, lambda number, batch, rate=rate: time.sleep(8 / rate), SLEPT)
            for rate in options.rates
        ]
        for name, workers, step, steps in [*trained, *slept]:
            at_work = replace(setup, recipe=recipe.model_copy(update={"workers": workers}))
            for state in (cool, warm):
                state(recordings)
                share, seconds = waiting(at_work, step, steps)
                temperature = "cold" if state is cool else "warm"
                print(f"| {name} | {workers} | {temperature} | {seconds:.2f} | {share:.1%} |", flush=True)


if __name__ == "__main__":
    main()
