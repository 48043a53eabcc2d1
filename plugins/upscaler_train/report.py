"""The report at a run's end: `report.md`, with curves and spectrograms beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from upscaler_core.files import atomic_write
from upscaler_train.logs import entries
from upscaler_train.scoring import mean

POINTS = 500
"""Of a curve; each is the mean of the steps around it."""
N_FFT, HOP = 2048, 512
RANGE_DB = 90.0


def write_report(
    folder: Path,
    facts: Mapping[str, Any],
    metric: str,
    pictures: Mapping[str, Tensor],
    rate: int,
) -> None:
    """Write the report of a run.

    Args:
        folder: the run's, with its log.
        facts: what to tell first, by name.
        metric: what the scores are.
        pictures: signals `[time]` by title, whose spectrograms are shown one above the other.
        rate: theirs, Hz.
    """
    logged = list(entries(folder))
    steps = [entry for entry in logged if entry["kind"] == "step" and entry["applied"]]
    scores = [entry for entry in logged if entry["kind"] == "score"]
    parts = [f"# Training run `{folder.resolve().name}`", "", *(f"* {name}: {value}" for name, value in facts.items())]
    if steps:
        _curves(folder / "curves.png", steps, scores, metric)
        parts += ["", "![losses and scores](curves.png)"]
    if scores:
        parts += ["", "## Scores", "", *_scores(scores, metric)]
    if pictures:
        _spectrograms(folder / "spectrograms.png", pictures, rate)
        parts += ["", "## A validation clip", "", "![spectrograms](spectrograms.png)"]
    with atomic_write(folder / "report.md") as part:
        part.write_text("\n".join(parts) + "\n", encoding="utf-8")


def _scores(entries: Sequence[Mapping[str, Any]], metric: str) -> list[str]:
    cutoffs = list(entries[0]["scores"])
    titles = [metric, *(f"{int(cutoff) / 1000:g} kHz" for cutoff in cutoffs), "mean"]
    rows = [
        [entry["name"], *(f"{entry['scores'][cutoff]:.3f}" for cutoff in cutoffs), f"{mean(entry['scores']):.3f}"]
        for entry in entries
    ]
    return [f"| {' | '.join(row)} |" for row in [titles, ["---"] * len(titles), *rows]]


def _curves(path: Path, steps: Sequence[Mapping[str, Any]], scores: Sequence[Mapping[str, Any]], metric: str) -> None:
    """Losses over steps, and scores with the constant ones as dashed lines."""
    figure = _figure(12, 4.5)
    left, right = figure.subplots(1, 2)
    for name in steps[0]["losses"]:
        x, y = _thinned([(entry["step"], entry["losses"].get(name, math.nan)) for entry in steps])
        (line,) = left.plot(x, y, alpha=0.3)
        left.plot(x, _smoothed(y), color=line.get_color(), label=name)
    left.set(xlabel="step", ylabel="loss, weighted", title="losses")
    if all(value > 0 for entry in steps for value in entry["losses"].values()):
        left.set_yscale("log")
    left.legend(fontsize="small")
    right.set(xlabel="step", ylabel=f"{metric}, mean of the cut-offs", title="validation")
    for entry in scores:
        if not entry["trained"]:
            right.axhline(mean(entry["scores"]), linestyle="--", label=entry["name"], color=f"C{len(right.lines) + 1}")
    trained = [(entry["step"], mean(entry["scores"])) for entry in scores if entry["trained"]]
    if trained:
        right.plot(*zip(*trained, strict=True), marker=".", label="trained")
    if scores:
        right.legend(fontsize="small")
    _save(figure, path)


def _smoothed(values: Sequence[float]) -> list[float]:
    """Mean of a tenth of all values around each: excerpts differ more than a step changes."""
    half = max(1, len(values) // 20)
    around = [values[max(0, k - half) : k + half + 1] for k in range(len(values))]
    return [sum(part) / len(part) for part in around]


def _thinned(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    size = -(-len(points) // POINTS)
    groups = [points[i : i + size] for i in range(0, len(points), size)]
    x = [sum(x for x, _ in group) / len(group) for group in groups]
    return x, [sum(y for _, y in group) / len(group) for group in groups]


def _spectrograms(path: Path, pictures: Mapping[str, Tensor], rate: int) -> None:
    figure = _figure(10, 2.4 * len(pictures))
    levels = {title: _level_db(signal) for title, signal in pictures.items()}
    top = max(float(level.max()) for level in levels.values())
    for plot, (title, level) in zip(figure.subplots(len(pictures), 1, sharex=True), levels.items(), strict=True):
        seconds = level.shape[1] * HOP / rate
        plot.imshow(
            level.numpy(), origin="lower", aspect="auto", extent=(0, seconds, 0, rate / 2000), cmap="magma",
            vmin=top - RANGE_DB, vmax=top,
        )  # fmt: skip
        plot.set(ylabel="kHz", title=title)
    plot.set(xlabel="s")
    _save(figure, path)


def _level_db(signal: Tensor) -> Tensor:
    spectrum = torch.stft(signal, N_FFT, HOP, window=torch.hann_window(N_FFT), return_complex=True)
    return 20 * torch.log10(spectrum.abs() + 1e-6)


def _figure(width: float, height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Any, path: Path) -> None:
    with atomic_write(path) as part:
        figure.savefig(part, format="png", dpi=120)
