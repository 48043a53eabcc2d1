"""The evaluation of a folder of recordings, with its progress, tables and files."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from upscaler_core import InputError
from upscaler_evaluate.evaluator import EvaluationFailure, EvaluationSettings, Evaluator, Score, evaluate_all
from upscaler_evaluate.json_file import write_json
from upscaler_evaluate.mean_scores import mean_scores
from upscaler_evaluate.references import ReferenceRecording, find_references
from upscaler_evaluate.table import print_tables


def evaluate_folder(
    settings: EvaluationSettings,
    folder: Path,
    *,
    limit: int | None,
    jobs: int,
    report_path: Path | None,
    json_path: Path | None,
) -> None:
    """Evaluate every recording of a folder; print the tables, and write the JSON file and the report.

    After Ctrl-C, the results so far are printed and written to the JSON file before `KeyboardInterrupt` is raised again.

    Args:
        settings: what is done with every recording.
        folder: the recordings.
        limit: at most so many recordings of each kind.
        jobs: number of processes.
        report_path: the HTML file to write, if any.
        json_path: the JSON file to write, if any.

    Raises:
        UpscalerError: a pipeline or a metric cannot be built.
        InputError: no recording can be read.
        typer.Exit: some recordings could not be read (exit code 1).
    """
    evaluator = Evaluator(settings)
    references = find_references(folder, evaluator.registry, limit)
    scores: list[Score] = []
    failures: list[EvaluationFailure] = []
    interruption: KeyboardInterrupt | None = None
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        for result in _show_progress(evaluate_all(evaluator, references, jobs), references, console):
            if isinstance(result, EvaluationFailure):
                failures.append(result)
                console.print(f"failed: {result.reason}", markup=False)
            else:
                scores += result
    except KeyboardInterrupt as error:
        interruption = error
    if failures and not scores:
        raise InputError(f"none of the {len(failures)} recordings of {folder} could be judged")
    means = mean_scores(scores)
    print_tables(means, evaluator.metrics[settings.cutoffs[0]])
    if json_path:
        content = {
            "task": asdict(settings),
            "complete": interruption is None,
            "failed": [asdict(failure) for failure in failures],
            "means": [asdict(row) for row in means],
            "scores": [asdict(score) for score in scores],
        }
        write_json(json_path, content)
    if interruption:
        raise interruption
    if report_path:
        from upscaler_evaluate.html_report import write_report

        write_report(report_path, evaluator, references, means)
    if failures:
        raise typer.Exit(1)


def _show_progress(
    results: Iterator[list[Score] | EvaluationFailure], references: Sequence[ReferenceRecording], console: Console
) -> Iterator[list[Score] | EvaluationFailure]:
    """Yield the results, and show the progress and the remaining time: a bar on a terminal, lines elsewhere."""
    columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    start = time.monotonic()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task(references[0].path.name, total=len(references))
        for count, (reference, result) in enumerate(zip(references, results, strict=True), 1):
            yield result
            next_name = references[count].path.name if count < len(references) else ""
            progress.update(bar, completed=count, description=next_name)
            if not console.is_terminal:
                remaining = (time.monotonic() - start) / count * (len(references) - count)
                console.print(
                    f"[{count}/{len(references)}, {remaining:.0f} s left] {reference.path.name}", markup=False
                )
