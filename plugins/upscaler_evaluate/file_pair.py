"""The comparison of one audio file with another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from upscaler_core import UsageError, discover
from upscaler_evaluate.evaluator import build_metrics, measure
from upscaler_evaluate.formatting import format_number
from upscaler_evaluate.json_file import write_json
from upscaler_evaluate.references import read_recording


def compare(
    reference: Path, estimate: Path, names: Sequence[str], cutoffs: Sequence[int], json_path: Path | None
) -> None:
    """Print the values of metrics for an estimate and its reference, and write them to a JSON file.

    Args:
        reference: an audio file.
        estimate: an audio file of the same sample rate and number of channels.
        names: the metrics.
        cutoffs: cut-offs in Hz, for metrics that need one.
        json_path: the file to write, if any.

    Raises:
        InputError: one of the files cannot be read.
        UsageError: their sample rates or channels differ.
    """
    registry = discover()
    (x, rate), (y, estimate_rate) = (read_recording(path, registry) for path in (reference, estimate))
    if rate != estimate_rate:
        raise UsageError(
            f"{reference} is at {rate} Hz and {estimate} at {estimate_rate} Hz: resample one of them first"
        )
    if x.shape[0] != y.shape[0]:
        raise UsageError(f"{reference} has {x.shape[0]} channels and {estimate} has {y.shape[0]}")
    size = min(x.shape[-1], y.shape[-1])
    table = Table("metric", "cut-off", "value", "unit", box=None, pad_edge=False)
    values = []
    for cutoff in cutoffs or (None,):
        metrics = build_metrics(names, registry, cutoff)
        for name, value in measure(metrics, y[:, :size], x[:, :size], rate).items():
            values.append({"metric": name, "cutoff_hz": cutoff, "value": value})
            table.add_row(name, f"{cutoff} Hz" if cutoff else "", format_number(value), metrics[name].unit)
    length_error = y.shape[-1] - x.shape[-1]
    table.add_row("length-error", "", f"{length_error:+d}", "samples")
    Console(highlight=False).print(table)
    if json_path:
        content = {"reference": str(reference), "estimate": str(estimate), "rate": rate, "values": values}
        write_json(json_path, content | {"length_error": length_error})
