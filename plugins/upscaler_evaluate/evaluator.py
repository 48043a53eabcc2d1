"""The evaluation of one recording: every cut-off, every system, every metric.

The recording's own sample rate and channels are kept. A system receives the recording at twice the cut-off and returns it at
the recording's rate, in full length, before any finisher. The metrics compare signals of the same length: the estimate is
cut to the length of the reference. After resampling down and up, it is up to rate / (2 · cut-off) samples longer.
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
from upscaler_core.processes import end_with_parent, safe_path
from upscaler_evaluate.references import ReferenceRecording, read_recording

BASELINE = "resampler alone"
NULL = "null: tilted noise"
MEAN_LIMIT_HZ = 48_000
"""Recordings of a higher sample rate are listed as a kind of their own, and left out of the mean over all."""


@dataclass(frozen=True)
class EvaluationSettings:
    """What is done with every recording."""

    pipelines: tuple[str, ...]
    """Files, or names of presets."""
    settings: tuple[str, ...]
    """Changes `key=value` of every pipeline."""
    cutoffs: tuple[int, ...]
    """Hz."""
    metrics: tuple[str, ...]
    """Names of metrics."""
    down: str
    """The resampler that makes the inputs."""
    device: str = "cpu"
    allow_local_plugins: bool = False


@dataclass(frozen=True)
class Score:
    """The metrics of one system for one recording at one cut-off."""

    clip: str
    """Name of the recording's file."""
    kind: str
    rate: int
    """Hz."""
    cutoff_hz: int
    system: str
    values: Mapping[str, float]
    """Values by metric; NaN if a metric has none."""
    length_error: int
    """Number of samples by which the estimate was longer than the reference."""


@dataclass(frozen=True)
class EvaluationFailure:
    """A recording that could not be evaluated."""

    clip: str
    """Name of the recording's file."""
    reason: str


def build_metrics(names: Sequence[str], registry: Registry, cutoff_hz: float | None) -> dict[str, Metric]:
    """Build metrics by name. Those with the option `cutoff_hz` get it; if it is None, they are left out.

    Raises:
        UpscalerError: a metric is unknown, or lacks its package.
    """
    metrics = {}
    for name in names:
        needs_cutoff = "cutoff_hz" in registry.find(Kind.METRIC, name).component.options.model_fields
        if not needs_cutoff or cutoff_hz is not None:
            metrics[name] = registry.metric(name, **({"cutoff_hz": cutoff_hz} if needs_cutoff else {}))
    if not metrics:
        raise UsageError("no metric is left: name some with --metrics, and a cut-off where they need one")
    return metrics


def measure(metrics: Mapping[str, Metric], estimate: Tensor, reference: Tensor, rate: int) -> dict[str, float]:
    """The values of all metrics for two `[channel, time]` of the same length."""
    return {name: float(metric(estimate[None], reference[None], rate)) for name, metric in metrics.items()}


class Evaluator:
    """Evaluates one recording after the other in one thread. Pipelines and metrics are built once."""

    def __init__(self, settings: EvaluationSettings) -> None:
        torch.set_num_threads(1)
        self.settings = settings
        self.registry = discover()
        labels = [Path(name).stem for name in settings.pipelines]
        self.pipelines = {  # before the metrics, which may come from a local plugin of a pipeline
            label if labels.count(label) == 1 else name: load_pipeline(
                name,
                self.registry,
                settings.settings,
                settings.device,
                allow_local_plugins=settings.allow_local_plugins,
            )
            for label, name in zip(labels, settings.pipelines, strict=True)
        }
        self.down = self.registry.resampler(settings.down)
        self.metrics = {cutoff: build_metrics(settings.metrics, self.registry, cutoff) for cutoff in settings.cutoffs}

    def systems(self, rate: int, cutoff_hz: int) -> dict[str, Pipeline]:
        """All systems, for output at `rate` Hz.

        The null gets the true cut-off. A pipeline measures the cut-off, as it does for a user.
        """
        baseline = Pipeline(self.down, target_rate=rate)
        noise = {"noise": self.registry.model("tilted-noise", rate=rate)}
        return {
            BASELINE: baseline,
            NULL: replace(baseline, models=noise, cutoff_hz=cutoff_hz, keep_source_band=False),
            **{label: replace(pipeline, target_rate=rate, finish=()) for label, pipeline in self.pipelines.items()},
        }

    def estimates(self, reference: Tensor, rate: int, cutoff_hz: int) -> Iterator[tuple[str, Tensor]]:
        """Each system's name and output for a recording `[channel, time]` that is resampled to twice the cut-off."""
        low = self.down(reference, rate, 2 * cutoff_hz)
        for system, pipeline in self.systems(rate, cutoff_hz).items():
            yield system, pipeline(low, 2 * cutoff_hz)

    def scores(self, recording: ReferenceRecording) -> list[Score]:
        """Evaluate a recording at every cut-off below its Nyquist frequency.

        Raises:
            UpscalerError: it cannot be read.
        """
        reference, rate = read_recording(recording.path, self.registry)
        kind = recording.kind if rate <= MEAN_LIMIT_HZ else f"{recording.kind} ({rate / 1000:g} kHz)"
        scores = []
        for cutoff in (cutoff for cutoff in self.settings.cutoffs if 2 * cutoff < rate):
            for system, estimate in self.estimates(reference, rate, cutoff):
                length_error = estimate.shape[-1] - reference.shape[-1]
                values = measure(self.metrics[cutoff], estimate[:, : reference.shape[-1]], reference, rate)
                scores.append(Score(recording.path.name, kind, rate, cutoff, system, values, length_error))
        return scores

    def evaluate(self, recording: ReferenceRecording) -> list[Score] | EvaluationFailure:
        """Evaluate a recording; return an `EvaluationFailure` if it cannot be read."""
        try:
            return self.scores(recording)
        except UpscalerError as error:
            return EvaluationFailure(recording.path.name, str(error))


_process_evaluator: Evaluator
"""The evaluator of a worker process."""


def _start_process(settings: EvaluationSettings) -> None:
    global _process_evaluator
    end_with_parent()
    signal(SIGINT, SIG_IGN)  # Ctrl-C reaches every process, and the parent ends the others
    _process_evaluator = Evaluator(settings)


def _evaluate_in_process(recording: ReferenceRecording) -> list[Score] | EvaluationFailure:
    return _process_evaluator.evaluate(recording)


def evaluate_all(
    evaluator: Evaluator, recordings: Iterable[ReferenceRecording], jobs: int
) -> Iterator[list[Score] | EvaluationFailure]:
    """Evaluate recordings in this process or, with more than one job, in several; yield the results in their order.

    Raises:
        UpscalerError: a process died.
    """
    if jobs == 1:
        yield from map(evaluator.evaluate, recordings)
        return
    try:
        with (
            safe_path(),
            ProcessPoolExecutor(jobs, get_context("spawn"), _start_process, (evaluator.settings,)) as pool,
        ):
            yield from pool.map(_evaluate_in_process, recordings)
    except BrokenProcessPool as error:
        raise UpscalerError("a process died, probably for want of memory: try fewer --jobs") from error
