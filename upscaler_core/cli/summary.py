"""The summary of a run: a table of the files, what a person should know of them, and the totals."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from upscaler_core.cli import words
from upscaler_core.cli.result_counter import ResultCounter
from upscaler_core.jobs.events import Failed, Result, Skipped
from upscaler_core.pipeline.events import Finished

MOST_ROWS = 1_000
"""The summary of more files than these has no table, only the totals."""
PIPE_WIDTH = 200
"""Least number of columns of a pipe or a file, which have no right edge."""
EXPENDABLE = ("Hz", "length", "speed")
"""Columns that are left out, the first one first, where a table is too wide."""
RIGHT = {"Hz", "length", "speed"}
"""Columns whose content stands at their right edge."""
GAP = "  "
MOST = 0.75
"""Share of the names for which a column has room in any case."""


def print_summary(
    console: Console, counter: ResultCounter, elapsed: float, *, names: Mapping[Path, str], dry_run: bool = False
) -> None:
    """Print the totals, and above them the table and the notes unless these would be long.

    Args:
        console: where to.
        counter: the results.
        elapsed: how long the run took, seconds.
        names: what the sources are called, by their paths.
        dry_run: nothing was done.
    """
    width = console.width if console.is_terminal else max(console.width, PIPE_WIDTH)
    if 0 < len(counter.results) <= MOST_ROWS:
        _print_table(console, counter.results, names, width, dry_run)
        _print_notes(console, counter.results, names, width)
    console.print(_totals(counter, elapsed, dry_run), soft_wrap=True, markup=False)


def _totals(counter: ResultCounter, elapsed: float, dry_run: bool) -> str:
    verb = "would be done" if dry_run else "done"
    counts = [
        f"{counter.done - counter.damaged} {verb}",
        f"{counter.damaged} damaged",
        f"{counter.failed.total()} failed",
        f"{counter.skipped} skipped",
    ]
    total = ", ".join(count for count in counts if not count.startswith("0 ")) or "nothing to do"
    if counter.done and not dry_run:
        audio, time = words.clock(counter.seconds), words.clock(elapsed)
        total += f"; {audio} of audio in {time} ({words.speed(counter.seconds, elapsed)} real time)"
    return total


def _print_table(
    console: Console, results: Sequence[Result], names: Mapping[Path, str], width: int, dry_run: bool
) -> None:
    place, outputs = _outputs(results, names)
    if place:
        console.print(place, soft_wrap=True, markup=False)
    rows = [_row(result, names[result.source], outputs.get(result.source) or "", dry_run) for result in results]
    for line in table_lines(rows, width, EXPENDABLE):
        console.print(line, soft_wrap=True)


def _row(result: Result, name: str, output: str, dry_run: bool) -> dict[str, str]:
    """The cells of one file, by their headings."""
    heading = "what will be done" if dry_run else "what was done"
    row = {"file": words.printable(name), "output": words.printable(output), heading: ""}
    match result:
        case Failed():
            row[heading] = "failed, see below"
        case Skipped():
            row[heading] = "skipped: " + ("done in an earlier run" if result.earlier else "its output exists")
        case Finished():
            row[heading] = words.decision_of(result)
            row["Hz"] = f"{result.rate_in} → {result.rate_out}"
            row["length"] = words.clock(result.seconds)
            row["speed"] = "" if dry_run else words.speed(result.seconds, result.elapsed)
    return row


def _outputs(results: Sequence[Result], names: Mapping[Path, str]) -> tuple[str, Mapping[Path, str | None]]:
    """A line that says where the outputs are, and by source the names that do not follow from it."""
    targets = {result.source: result.target for result in results if not isinstance(result, Failed)}
    if not targets:
        return "", {}
    if len(results) == 1:
        return f"Output: {words.printable(str(next(iter(targets.values()))))}", {}
    if all(target.parent == source.parent for source, target in targets.items()):
        folder, relative = "", {source: target.name for source, target in targets.items()}
        where = "Outputs: beside the inputs"
    else:
        folder = os.path.commonpath([target.parent for target in targets.values()])
        relative = {source: os.path.relpath(target, folder or ".") for source, target in targets.items()}
        where = f"Outputs: in {words.printable(folder or '.')}{os.sep}"
    endings = {source: _ending(names[source], relative[source], whole=bool(folder)) for source in targets}
    different = set(endings.values())
    if None in different:
        return where, relative
    return (f"{where}, as NAME{different.pop()}", {}) if len(different) == 1 else (f"{where}, as NAME…", endings)


def _ending(name: str, output: str, *, whole: bool) -> str | None:
    """What stands in an output's name after the source's own name without its suffix; None where it does not begin so."""
    stem = Path(name).with_suffix("") if whole else Path(name).stem
    return output.removeprefix(str(stem)) if output.startswith(str(stem)) else None


def _print_notes(console: Console, results: Sequence[Result], names: Mapping[Path, str], width: int) -> None:
    """Print once more what has scrolled away: warnings and failures; and what else a person should know."""
    notes = [(names[result.source], note) for result in results for note in words.notes_of(result)]
    failures = [(names[r.source], words.failure_of(r)) for r in results if isinstance(r, Failed)]
    for heading, style, entries in (("Notes:", "yellow", notes), ("Failed:", "red", failures)):
        if entries:
            console.print(heading, style=style)
        for name, text in entries:
            for line in _wrapped(f"{words.printable(name)}: {words.printable(text)}", width):
                console.print(line, soft_wrap=True, markup=False)


def _wrapped(text: str, width: int) -> list[str]:
    """A paragraph of an indented list. Words, and with them names, stay whole."""
    options = {"break_long_words": False, "break_on_hyphens": False}
    return textwrap.wrap(text, width, initial_indent="  ", subsequent_indent="    ", **options)  # type: ignore[arg-type]


def table_lines(rows: Sequence[Mapping[str, str]], width: int, expendable: Sequence[str] = ()) -> Iterator[Text]:
    """The lines of a table that keeps every cell whole.

    Columns without content are left out, and then, where the table is too wide, the expendable ones. A first cell that is
    much longer than most, or for which there is no room, gets a line of its own; so does an output's name.

    Args:
        rows: cells by headings; all rows begin with the same headings, and may lack the last ones.
        width: columns of the terminal.
        expendable: headings, the first one to go first.
    """
    headings = list(dict.fromkeys(heading for row in rows for heading in row))
    headings = [heading for heading in headings if any(row.get(heading) for row in rows)]
    widths = {h: max(cell_len(h), *(cell_len(row.get(h, "")) for row in rows)) for h in headings}
    names = [heading for heading in headings if heading in (headings[0], "output")]
    for heading in names if _total(widths) > width else ():  # one long name does not take the room of all columns
        lengths = sorted(cell_len(row.get(heading, "")) for row in rows)
        widths[heading] = max(cell_len(heading), lengths[int(MOST * (len(rows) - 1))])
    for heading in expendable:
        if _total(widths) > width:
            widths.pop(heading, None)
    first, *others = widths
    rest = sum(widths[heading] + len(GAP) for heading in others)
    widths[first] = min(widths[first], max(len(first), width - rest))
    for index, row in enumerate([{heading: heading for heading in widths}, *rows]):
        style = "bold" if index == 0 else ""
        fitting = {h: row.get(h, "") for h in widths}
        for heading in names:
            if cell_len(fitting.get(heading, "")) > widths[heading]:
                yield Text("  " * (heading != first) + fitting[heading], style)
                fitting[heading] = ""
        yield Text(GAP.join(_padded(text, widths[h], h) for h, text in fitting.items()).rstrip(), style)


def _total(widths: Mapping[str, int]) -> int:
    """Columns of a line."""
    return sum(widths.values()) + len(GAP) * (len(widths) - 1)


def _padded(text: str, width: int, heading: str) -> str:
    padding = " " * max(0, width - cell_len(text))
    return padding + text if heading in RIGHT else text + padding
