"""The tables of mean scores and of verdicts on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from upscaler_core.plugins import Metric
from upscaler_evaluate.evaluator import NULL
from upscaler_evaluate.formatting import format_khz, format_number, heading
from upscaler_evaluate.mean_scores import MeanScores, beats_null
from upscaler_evaluate.verdicts import verdicts

PIPE_WIDTH = 200
"""Least number of characters of a line that goes to a pipe or a file, which have no edge to wrap at."""


def print_tables(means: Sequence[MeanScores], metrics: Mapping[str, Metric]) -> None:
    """Print a table for each cut-off, with bold figures where a system beats the null, and a table of the verdicts.

    A metric is a column where the terminal is wide enough, otherwise a row.
    """
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, PIPE_WIDTH)
    for cutoff, group in groupby(means, key=lambda row: row.cutoff_hz):
        rows = list(group)
        table = _score_table(cutoff, rows, metrics)
        fits = console.measure(table, options=console.options.update(width=10_000)).maximum <= console.width
        console.print(table if fits else _narrow_table(cutoff, rows, metrics))
        console.print()
    if lines := verdicts(means):
        table = Table(title="in the white paper's words", title_justify="left", box=None, pad_edge=False)
        for heading_ in lines[0]:
            table.add_column(heading_, overflow="fold")
        for line in lines:
            table.add_row(*line.values())
        console.print(table)


def _score_table(cutoff: int, means: Sequence[MeanScores], metrics: Mapping[str, Metric]) -> Table:
    table = Table(
        "kind", "system", title=f"cut-off {format_khz(cutoff)}", title_justify="left", box=None, pad_edge=False
    )
    for name, metric in metrics.items():
        table.add_column(heading(name, metric), justify="right")
    for kind, group in groupby(means, key=lambda row: row.kind):
        rows = list(group)
        null = next(row for row in rows if row.system == NULL)
        for index, row in enumerate(rows):
            cells = [_cell(row, null, name, metric) for name, metric in metrics.items()]
            table.add_row(f"{kind} ({row.clips})" if not index else "", row.system, *cells)
        table.add_section()
    return table


def _narrow_table(cutoff: int, means: Sequence[MeanScores], metrics: Mapping[str, Metric]) -> Table:
    """The same figures with a row for each metric and a column for each system."""
    title = f"cut-off {format_khz(cutoff)}"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    for system in dict.fromkeys(row.system for row in means):
        table.add_column(system, justify="right", overflow="fold")
    for kind, group in groupby(means, key=lambda row: row.kind):
        rows = list(group)
        null = next(row for row in rows if row.system == NULL)
        table.add_row(Text(f"{kind} ({rows[0].clips})", style="bold"))
        for name, metric in metrics.items():
            table.add_row(f"  {heading(name, metric)}", *(_cell(row, null, name, metric) for row in rows))
    return table


def _cell(row: MeanScores, null: MeanScores, name: str, metric: Metric) -> Text:
    return Text(format_number(row.values[name]), style="bold" if beats_null(row, null, name, metric) else "")
