"""Judge a folder of recordings, and print the table."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from upscaler_core import InputError
from upscaler_core.plugins import Metric
from upscaler_evaluate.clips import Clip, clips
from upscaler_evaluate.judge import NULL, Evaluator, Failed, Score, Task, attempts
from upscaler_evaluate.numbers import Row, beats, cell, heading, kilohertz, rows, verdicts, write_json


def evaluate_folder(
    task: Task, data: Path, *, limit: int | None, jobs: int, page: Path | None, numbers: Path | None
) -> None:
    """Judge every recording of a folder; print the table, write the numbers and the page.

    After Ctrl-C, what is done is told and written before the interruption goes on.

    Raises:
        UpscalerError: a pipeline or a metric cannot be built.
        InputError: no recording can be read.
        typer.Exit: some could not (exit code 1).
    """
    judge = Evaluator(task)
    found = clips(data, judge.registry, limit)
    scores: list[Score] = []
    failed: list[Failed] = []
    interruption: KeyboardInterrupt | None = None
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        for result in _watched(attempts(judge, found, jobs), found, console):
            if isinstance(result, Failed):
                failed.append(result)
                console.print(f"failed: {result.reason}", markup=False)
            else:
                scores += result
    except KeyboardInterrupt as error:
        interruption = error
    if failed and not scores:
        raise InputError(f"none of the {len(failed)} recordings of {data} could be judged")
    table = rows(scores)
    metrics = judge.metrics[task.cutoffs[0]]
    show(table, metrics)
    if numbers:
        done = {"task": asdict(task), "complete": interruption is None, "failed": [asdict(f) for f in failed]}
        write_json(numbers, done | {"means": [asdict(r) for r in table], "scores": [asdict(s) for s in scores]})
    if interruption:
        raise interruption
    if page:
        from upscaler_evaluate.report import write_page

        write_page(page, judge, found, table)
    if failed:
        raise typer.Exit(1)


def _watched(
    results: Iterator[list[Score] | Failed], found: Sequence[Clip], console: Console
) -> Iterator[list[Score] | Failed]:
    """Show how far the work is and how long it will take: a bar on a terminal, lines elsewhere."""
    columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    began = time.monotonic()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task(found[0].path.name, total=len(found))
        for done, (clip, result) in enumerate(zip(found, results, strict=True), 1):
            yield result
            upcoming = found[done].path.name if done < len(found) else ""
            progress.update(bar, completed=done, description=upcoming)
            if not console.is_terminal:
                left = (time.monotonic() - began) / done * (len(found) - done)
                console.print(f"[{done}/{len(found)}, {left:.0f} s left] {clip.path.name}", markup=False)


def show(table: Sequence[Row], metrics: Mapping[str, Metric]) -> None:
    """Print a table a cut-off, what beats the null in bold, and the white paper's words for the means over all."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, 200)  # a pipe or a file has no edge to wrap at
    for cutoff, group in groupby(table, key=lambda row: row.cutoff_hz):
        grid = Table(
            "kind", "system", title=f"cut-off {kilohertz(cutoff)}", title_justify="left", box=None, pad_edge=False
        )
        for name, metric in metrics.items():
            grid.add_column(heading(name, metric), justify="right")
        for kind, systems in groupby(group, key=lambda row: row.kind):
            these = list(systems)
            null = next(row for row in these if row.system == NULL)
            for index, row in enumerate(these):
                cells = [
                    Text(cell(row.values[name]), style="bold" if beats(row, null, name, metric) else "")
                    for name, metric in metrics.items()
                ]
                grid.add_row(f"{kind} ({row.clips})" if not index else "", row.system, *cells)
            grid.add_section()
        console.print(grid)
        console.print()
    if spoken := verdicts(table):
        words = Table(*spoken[0], title="in the white paper's words", title_justify="left", box=None, pad_edge=False)
        for line in spoken:
            words.add_row(*line.values())
        console.print(words)
