"""The protocol: one recording, every cut-off, every system, every metric.

The recording's own rate and channels are kept. A system is given the recording at twice the cut-off, and returns it at the
recording's rate, whole, before any finisher. Metrics see both at the same length: the estimate is cut to the reference (a
length that went down and up again is up to rate / (2 · cut-off) samples longer).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from signal import SIG_IGN, SIGINT, signal

import torch
from torch import Tensor

from upscaler_core import Kind, Pipeline, Registry, UpscalerError, UsageError, discover, load_pipeline
from upscaler_core.plugins import Metric
from upscaler_evaluate.clips import Clip, read

BASELINE = "resampler alone"
NULL = "null: tilted noise"
APART_HZ = 48_000
"""Recordings of a higher rate are a kind of their own, and no part of the mean over all."""


@dataclass(frozen=True)
class Task:
    """What to do with every recording."""

    pipelines: tuple[str, ...]
    """Files, or names of presets."""
    settings: tuple[str, ...]
    """`key=value`, for every pipeline."""
    cutoffs: tuple[int, ...]
    """Hz."""
    metrics: tuple[str, ...]
    down: str
    """The resampler that makes the inputs."""
    device: str = "cpu"
    allow_local_plugins: bool = False


@dataclass(frozen=True)
class Score:
    """What one system made of one recording at one cut-off."""

    clip: str
    kind: str
    rate: int
    """Hz."""
    cutoff_hz: int
    system: str
    values: Mapping[str, float]
    """By metric; NaN where there is none."""
    length_error: int
    """Samples by which the estimate was longer than the reference."""


@dataclass(frozen=True)
class Failed:
    """A recording that could not be read."""

    clip: str
    reason: str


def build_metrics(names: Sequence[str], registry: Registry, cutoff_hz: float | None) -> dict[str, Metric]:
    """Build metrics by name; those that have the option `cutoff_hz` are given it, or left out where there is none.

    Raises:
        UpscalerError: one is unknown, or lacks its package.
    """
    built = {}
    for name in names:
        needs = "cutoff_hz" in registry.find(Kind.METRIC, name).component.options.model_fields
        if not needs or cutoff_hz is not None:
            built[name] = registry.metric(name, **({"cutoff_hz": cutoff_hz} if needs else {}))
    if not built:
        raise UsageError("no metric is left: name some with --metrics, and a cut-off where they need one")
    return built


def measure(metrics: Mapping[str, Metric], estimate: Tensor, reference: Tensor, rate: int) -> dict[str, float]:
    """Every metric of two `[channel, time]` of one length."""
    return {name: float(metric(estimate[None], reference[None], rate)) for name, metric in metrics.items()}


class Evaluator:
    """Pipelines and metrics, built once, that judge one recording after the other in one thread."""

    def __init__(self, task: Task) -> None:
        torch.set_num_threads(1)
        self.task = task
        self.registry = discover()
        labels = [Path(name).stem for name in task.pipelines]
        self.pipelines = {  # first, for the metrics may come from a local plugin of theirs
            label if labels.count(label) == 1 else name: load_pipeline(
                name, self.registry, task.settings, task.device, allow_local_plugins=task.allow_local_plugins
            )
            for label, name in zip(labels, task.pipelines, strict=True)
        }
        self.down = self.registry.resampler(task.down)
        self.metrics = {cutoff: build_metrics(task.metrics, self.registry, cutoff) for cutoff in task.cutoffs}

    def systems(self, rate: int, cutoff_hz: int) -> dict[str, Pipeline]:
        """What is judged, for output at `rate` Hz. The null is told the cut-off; a pipeline measures it, as for a user."""
        bare = Pipeline(self.down, target_rate=rate)
        noise = {"noise": self.registry.model("tilted-noise", rate=rate)}
        return {
            BASELINE: bare,
            NULL: replace(bare, models=noise, cutoff_hz=cutoff_hz, keep_source_band=False),
            **{label: replace(pipeline, target_rate=rate, finish=()) for label, pipeline in self.pipelines.items()},
        }

    def estimates(self, reference: Tensor, rate: int, cutoff_hz: int) -> Iterator[tuple[str, Tensor]]:
        """What each system makes of a recording `[channel, time]` that was taken down to twice the cut-off."""
        low = self.down(reference, rate, 2 * cutoff_hz)
        for system, pipeline in self.systems(rate, cutoff_hz).items():
            yield system, pipeline(low, 2 * cutoff_hz)

    def scores(self, clip: Clip) -> list[Score]:
        """Judge one recording at every cut-off below its Nyquist frequency.

        Raises:
            UpscalerError: it cannot be read.
        """
        reference, rate = read(clip.path, self.registry)
        kind = clip.kind if rate <= APART_HZ else f"{clip.kind} ({rate / 1000:g} kHz)"
        found = []
        for cutoff in (cutoff for cutoff in self.task.cutoffs if 2 * cutoff < rate):
            for system, estimate in self.estimates(reference, rate, cutoff):
                longer = estimate.shape[-1] - reference.shape[-1]
                values = measure(self.metrics[cutoff], estimate[:, : reference.shape[-1]], reference, rate)
                found.append(Score(clip.path.name, kind, rate, cutoff, system, values, longer))
        return found

    def attempt(self, clip: Clip) -> list[Score] | Failed:
        """Judge one recording; what cannot be read becomes a `Failed`."""
        try:
            return self.scores(clip)
        except UpscalerError as error:
            return Failed(clip.path.name, str(error))


_judge: Evaluator
"""A worker process's own."""


def _begin(task: Task) -> None:
    global _judge
    signal(SIGINT, SIG_IGN)  # Ctrl-C reaches every process; the first one ends the others
    _judge = Evaluator(task)


def _attempt(clip: Clip) -> list[Score] | Failed:
    return _judge.attempt(clip)


def attempts(judge: Evaluator, clips: Iterable[Clip], jobs: int) -> Iterator[list[Score] | Failed]:
    """Judge recordings, in their order, in this process or in several.

    Raises:
        UpscalerError: a process died.
    """
    if jobs == 1:
        yield from map(judge.attempt, clips)
        return
    try:
        with ProcessPoolExecutor(jobs, get_context("spawn"), _begin, (judge.task,)) as pool:
            yield from pool.map(_attempt, clips)
    except BrokenProcessPool as error:
        raise UpscalerError("a process died, probably for want of memory: try fewer --jobs") from error
