"""`--report`: the record of a run, as a page to read, a table for a spreadsheet, or JSON."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from upscaler_core.atomic import atomic_write
from upscaler_core.cli import words
from upscaler_core.cli.report_page import page
from upscaler_core.cli.run_record import MARKS, Run
from upscaler_core.errors import OutputError, UsageError
from upscaler_core.jobs.events import Failed, Result
from upscaler_core.pipeline.events import Finished

SUFFIXES = (".html", ".csv", ".json")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Characters with which a spreadsheet takes a text for a formula (OWASP, CSV injection)."""


def refuse_report(path: Path) -> None:
    """Refuse a report that could not be written at the end of a long run, or that would replace something else.

    Raises:
        UsageError: its suffix is none of a report, or there is another file.
        OutputError: its folder cannot be written to.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"--report {path}: must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    try:
        if path.exists():
            with path.open(encoding="utf-8", errors="replace") as file:
                if not file.read(100).startswith(MARKS):
                    raise UsageError(f"--report {path}: there is another file of that name: choose another name")
        folder = next(folder for folder in path.absolute().parents if folder.exists())
    except OSError as error:
        raise OutputError(f"--report {path} cannot be written: {error.strerror or error}") from error
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"--report {path} cannot be written: {folder} is no folder that may be written to")


def write_report(path: Path, run: Run) -> None:
    """Write the report whose suffix the path has.

    Raises:
        OutputError: it cannot be written.
    """
    match path.suffix.lower():
        case ".json":
            text = json.dumps(run.summary, ensure_ascii=False, indent=2) + "\n"
        case ".csv":
            text = csv_text(run)
        case _:
            text = page(run)
    with atomic_write(path) as part:
        part.write_bytes(text.encode("utf-8", "backslashreplace"))  # a name may hold bytes that are no text


def csv_text(run: Run) -> str:
    """A table with a row for each file. It begins with a mark by which spreadsheets know that it is UTF-8."""
    rows = [dict(_cells(result, run.names[result.source])) for result in run.results]
    facts = [field.name for field in fields(Finished) if field.name not in ("source", "target", "segments", "warnings")]
    headings = ["file", "status", "decision", "source", "output", "warnings", "failure", "parts", *facts]
    out = io.StringIO()
    writer = csv.DictWriter(out, headings, restval="")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return "\ufeff" + out.getvalue()


def _cells(result: Result, name: str) -> Iterator[tuple[str, Any]]:
    record = words.record_of(result)
    yield from (("file", name), ("status", words.status_of(result)), ("source", str(result.source)))
    if isinstance(result, Failed):
        yield "failure", words.failure_of(result)
        return
    yield "output", str(result.target)
    if record is None:
        return
    yield "decision", words.decision_of(record)
    yield (
        "parts",
        "; ".join(
            f"{segment.start_s:g} s: {segment.cutoff_hz:g} Hz, {100 * segment.confidence:.0f} %, "
            f"{'restored' if segment.added else 'left alone'}"
            for segment in record.segments
        ),
    )
    for field, value in asdict(record).items():
        if field == "warnings":
            yield field, " | ".join(value)
        elif field not in ("source", "target", "segments"):
            yield field, value


def _cell(value: Any) -> Any:
    """A value as a spreadsheet may have it: a text that it would take for a formula gets an apostrophe in front.

    Control characters are shown, not obeyed: a terminal may print the table, too.
    """
    if isinstance(value, str):
        text = words.printable(value)
        return f"'{text}" if value.startswith(FORMULA) else text
    if isinstance(value, list | tuple | dict):
        return _cell(json.dumps(value, ensure_ascii=False, default=str))
    return "" if value is None else value
