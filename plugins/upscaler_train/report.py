"""What a run leaves for people to read: its log (`log.jsonl` and TensorBoard), and the report at its end (`report.md`)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from torch import Tensor

from upscaler_core import OutputError, StftConfig, stft
from upscaler_core.files import atomic_write
from upscaler_train.display import Throughput
from upscaler_train.scoring import Scores, mean_score
from upscaler_train.step import StepResult

LOG = "log.jsonl"
MAX_POINTS = 500
"""Points of a curve. Each is the mean of the steps around it."""
N_FFT, HOP = 2048, 512
"""Of the spectrograms, in samples."""
RANGE_DB = 90.0
"""Levels further below the loudest one are black."""


class TrainingLog:
    """Both logs of a run: `log.jsonl`, with a JSON object in each line, and TensorBoard's files.

    A killed run may have logged steps after its last saved state. These entries are removed when the log is opened.

    Args:
        folder: the run's.
        step: the last step that counts.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.path, self.damaged_lines = folder / LOG, 0
        if self.path.exists():
            logged = list(read_log(folder)) if step else []
            self.damaged_lines = _count_lines(self.path) - len(logged) if step else 0
            entries = [entry for entry in logged if entry["step"] <= step]
            with atomic_write(self.path) as part:
                part.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
        with self._reporting_full_disk():
            self._file = self.path.open("a", buffering=1)
            self._board = SummaryWriter(folder / "tensorboard", purge_step=step + 1)

    def write_step(self, step: int, epoch: int, result: StepResult, throughput: Throughput) -> None:
        """Log the result of a step."""
        losses = {f"loss/{name}": value for name, value in {**result.losses, "all": result.total}.items()}
        critics = {f"critic/{name}": value for name, value in result.critics.items()}
        numbers = {"gradient": result.gradient, "learning_rate": result.learning_rate}
        speed = {
            "excerpts_per_second": throughput.excerpts_per_second,
            "waiting_for_data": throughput.waiting_share,
        }
        self._write("step", step, {**losses, **critics, **numbers, **speed}, epoch=epoch, **asdict(result))

    def write_scores(self, step: int, name: str, scores: Scores, *, trained: bool) -> None:
        """Log scores. `trained` = they are the trained system's, and points of TensorBoard's curves."""
        curves = {f"score/{cutoff} Hz": score for cutoff, score in scores.items()} if trained else {}
        self._write("score", step, curves, name=name, trained=trained, scores=scores)

    def _write(self, kind: str, step: int, curves: Mapping[str, float], **values: Any) -> None:
        """Add an entry to `log.jsonl`, and a point to each TensorBoard curve."""
        with self._reporting_full_disk():
            self._file.write(json.dumps({"kind": kind, "step": step, **values}) + "\n")
            for name, value in curves.items():
                self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Close both."""
        with self._reporting_full_disk():
            try:
                self._file.close()
            finally:
                self._board.close()

    @contextmanager
    def _reporting_full_disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"{self.path} cannot be written: {error.strerror or error}; make room, and go on with --resume"
            ) from None


def read_log(folder: Path) -> Iterator[dict[str, Any]]:
    """The entries of a run's log so far. Damaged lines are left out, as is a last one that a kill has cut short."""
    with (folder / LOG).open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                continue
            try:
                _ENTRY.validate_json(line)
            except ValidationError:
                continue
            yield json.loads(line)


class _Step(BaseModel):
    """The entry of a step, with what reports and resumed runs read of it."""

    model_config = ConfigDict(extra="allow")

    kind: Literal["step"]
    step: int
    applied: bool
    losses: dict[str, float]


class _ScoreEntry(BaseModel):
    """The entry of a scoring."""

    model_config = ConfigDict(extra="allow")

    kind: Literal["score"]
    step: int
    name: str
    trained: bool
    scores: Annotated[dict[str, float], Field(min_length=1)]


_ENTRY: TypeAdapter[_Step | _ScoreEntry] = TypeAdapter(Annotated[_Step | _ScoreEntry, Field(discriminator="kind")])


def _count_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(line.endswith(b"\n") for line in file)


def write_report(
    folder: Path,
    facts: Mapping[str, Any],
    metric: str,
    signals: Mapping[str, Tensor],
    rate: int,
) -> None:
    """Write the report of a run, with its curves and spectrograms as images.

    Args:
        folder: the run's, with its log.
        facts: what the report begins with, by name.
        metric: the name of what the scores measure.
        signals: `[time]` by title; their spectrograms are shown one above the other.
        rate: the signals', Hz.
    """
    entries = list(read_log(folder))
    steps = [entry for entry in entries if entry["kind"] == "step" and entry["applied"]]
    scores = [entry for entry in entries if entry["kind"] == "score"]
    lines = [f"# Training run `{folder.resolve().name}`", "", *(f"* {name}: {value}" for name, value in facts.items())]
    if steps:
        _draw_curves(folder / "curves.png", steps, scores, metric)
        lines += ["", "![losses and scores](curves.png)"]
    if scores:
        lines += ["", "## Scores", "", *_score_table(scores, metric)]
    if signals:
        _draw_spectrograms(folder / "spectrograms.png", signals, rate)
        lines += ["", "## A validation clip", "", "![spectrograms](spectrograms.png)"]
    with atomic_write(folder / "report.md") as part:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _score_table(entries: Sequence[Mapping[str, Any]], metric: str) -> list[str]:
    """The lines of a Markdown table."""
    cutoffs = list(entries[0]["scores"])
    titles = [metric, *(f"{int(cutoff) / 1000:g} kHz" for cutoff in cutoffs), "mean"]
    rows = [
        [entry["name"], *(f"{entry['scores'][cutoff]:.3f}" for cutoff in cutoffs), f"{mean_score(entry['scores']):.3f}"]
        for entry in entries
    ]
    return [f"| {' | '.join(row)} |" for row in [titles, ["---"] * len(titles), *rows]]


def _draw_curves(
    path: Path, steps: Sequence[Mapping[str, Any]], scores: Sequence[Mapping[str, Any]], metric: str
) -> None:
    """Draw the losses and the scores over the steps. Scores of what is not trained are dashed lines."""
    figure = _figure(12, 4.5)
    left, right = figure.subplots(1, 2)
    for name in steps[0]["losses"]:
        x, y = _thin_out([(entry["step"], entry["losses"].get(name, math.nan)) for entry in steps])
        (line,) = left.plot(x, y, alpha=0.3)
        left.plot(x, _smooth(y), color=line.get_color(), label=name)
    left.set(xlabel="step", ylabel="loss, weighted", title="losses")
    if all(value > 0 for entry in steps for value in entry["losses"].values()):
        left.set_yscale("log")
    left.legend(fontsize="small")
    right.set(xlabel="step", ylabel=f"{metric}, mean of the cut-offs", title="validation")
    for entry in scores:
        if not entry["trained"]:
            color = f"C{len(right.lines) + 1}"
            right.axhline(mean_score(entry["scores"]), linestyle="--", label=entry["name"], color=color)
    trained = [(entry["step"], mean_score(entry["scores"])) for entry in scores if entry["trained"]]
    if trained:
        right.plot(*zip(*trained, strict=True), marker=".", label="trained")
    if scores:
        right.legend(fontsize="small")
    _save(figure, path)


def _smooth(values: Sequence[float]) -> list[float]:
    """The mean of the tenth of all values around each. Excerpts differ by more than a step changes."""
    half = max(1, len(values) // 20)
    neighbours = [values[max(0, k - half) : k + half + 1] for k in range(len(values))]
    return [sum(near) / len(near) for near in neighbours]


def _thin_out(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """At most `MAX_POINTS` points, as their x and their y."""
    size = -(-len(points) // MAX_POINTS)
    groups = [points[i : i + size] for i in range(0, len(points), size)]
    x = [sum(x for x, _ in group) / len(group) for group in groups]
    return x, [sum(y for _, y in group) / len(group) for group in groups]


def _draw_spectrograms(path: Path, signals: Mapping[str, Tensor], rate: int) -> None:
    figure = _figure(10, 2.4 * len(signals))
    levels = {title: _level_db(signal) for title, signal in signals.items()}
    top = max(float(level.max()) for level in levels.values())
    for plot, (title, level) in zip(figure.subplots(len(signals), 1, sharex=True), levels.items(), strict=True):
        seconds = level.shape[1] * HOP / rate
        plot.imshow(
            level.numpy(), origin="lower", aspect="auto", extent=(0, seconds, 0, rate / 2000), cmap="magma",
            vmin=top - RANGE_DB, vmax=top,
        )  # fmt: skip
        plot.set(ylabel="kHz")
        plot.set_title(title, parse_math=False)  # a file's name may hold a "$"
    plot.set(xlabel="s")
    _save(figure, path)


def _level_db(signal: Tensor) -> Tensor:
    return 20 * torch.log10(stft(signal, StftConfig(N_FFT, HOP), pad="mirror").abs() + 1e-6)


def _figure(width: float, height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Any, path: Path) -> None:
    with atomic_write(path) as part:
        figure.savefig(part, format="png", dpi=120)
