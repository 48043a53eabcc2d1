"""One audio file against another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from upscaler_core import UsageError, discover
from upscaler_evaluate.clips import read
from upscaler_evaluate.judge import build_metrics, measure
from upscaler_evaluate.numbers import cell, write_json


def compare(reference: Path, estimate: Path, names: Sequence[str], cutoffs: Sequence[int], json: Path | None) -> None:
    """Print every metric of an estimate against its reference, and write them to a JSON file.

    Raises:
        InputError: one cannot be read.
        UsageError: their rates or channels differ.
    """
    registry = discover()
    (target, rate), (ours, other) = (read(path, registry) for path in (reference, estimate))
    if rate != other:
        raise UsageError(f"{reference} is at {rate} Hz and {estimate} at {other} Hz: resample one of them first")
    if target.shape[0] != ours.shape[0]:
        raise UsageError(f"{reference} has {target.shape[0]} channels and {estimate} has {ours.shape[0]}")
    size = min(target.shape[-1], ours.shape[-1])
    table = Table("metric", "cut-off", "value", "unit", box=None, pad_edge=False)
    values = []
    for cutoff in cutoffs or (None,):
        metrics = build_metrics(names, registry, cutoff)
        for name, value in measure(metrics, ours[:, :size], target[:, :size], rate).items():
            values.append({"metric": name, "cutoff_hz": cutoff, "value": value})
            table.add_row(name, f"{cutoff} Hz" if cutoff else "", cell(value), metrics[name].unit)
    longer = ours.shape[-1] - target.shape[-1]
    table.add_row("length-error", "", f"{longer:+d}", "samples")
    Console(highlight=False).print(table)
    if json:
        told = {"reference": str(reference), "estimate": str(estimate), "rate": rate, "values": values}
        write_json(json, told | {"length_error": longer})
