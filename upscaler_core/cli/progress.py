"""Shows events to people: Rich bars on a terminal, plain lines elsewhere, and a table at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from upscaler_core.cli.result_counter import ResultCounter
from upscaler_core.jobs.events import Event, Failed, Result, Skipped
from upscaler_core.pipeline.events import Advanced, Finished, Started, Warned

COLUMNS: dict[str, JustifyMethod] = {
    "file": "left",
    "output": "left",
    "Hz": "right",
    "length": "right",
    "content to": "right",
    "models": "left",
    "level": "left",
    "speed": "right",
}
"""The columns of the summary, with their alignment. A column without any content is left out."""

MOST_ROWS = 1_000
"""The summary of more files than these has no table, only the totals."""


class Speed(ProgressColumn):
    """Seconds of audio that are processed in one second."""

    def render(self, task: Task) -> Text:
        """Text such as `52x`; empty before anything is done."""
        seconds = task.fields["audio"]
        return Text(f"{seconds / task.elapsed:.0f}x" if seconds and task.elapsed else "", style="cyan")


class Renderer:
    """Shows events: use it as a context while the work goes on, and call it with every event (see `jobs/events.py`).

    Args:
        files: how many files there are in all.
        quiet: show errors only.
        summary_to_stderr: print the summary to standard error, because something else uses standard output.
    """

    def __init__(self, files: int, *, quiet: bool, summary_to_stderr: bool) -> None:
        self.errors = Console(stderr=True, highlight=False, soft_wrap=True)
        self.out = self.errors if summary_to_stderr else Console(highlight=False)
        self.quiet = quiet
        self.files = files
        self.done = 0
        self.audio = 0.0
        self.start = time.monotonic()
        self.bars: dict[Path, TaskID] = {}
        self.progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            Speed(),
            TimeRemainingColumn(compact=True),
            console=self.errors,
            transient=True,
            disable=quiet or not self.errors.is_terminal,
        )
        self.plain_lines = not quiet and not self.errors.is_terminal

    def __enter__(self) -> Renderer:
        self.progress.start()
        self.total_bar = self.progress.add_task(
            f"all {self.files} files", total=self.files, visible=self.files > 1, audio=0.0
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.progress.stop()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        match event:
            case Started(source, seconds, passes):
                self._remove_bar(source)  # a process may have crashed at this file before
                total = seconds * passes if seconds else None
                self.bars[source] = self.progress.add_task(_short(source), total=total, passes=passes, audio=0.0)
                if self.plain_lines:
                    self._line(f"{source}: {clock(seconds) if seconds else 'unknown length'}")
            case Advanced(source, seconds):
                self._advance(source, seconds)
            case Warned(source, message):
                if not self.quiet:
                    self._line(f"[yellow]warning:[/] {escape(str(source))}: {escape(message)}", markup=True)
            case Finished() | Skipped() | Failed():
                self._show_result(event)

    def _advance(self, source: Path, seconds: float) -> None:
        """Move a file's bar, and the bar of all files by the file's share."""
        bar = self.bars[source]
        files_in_progress = 0.0
        for task in self.progress.tasks:
            if task.id == bar:
                audio = seconds / task.fields["passes"]
                self.audio += audio
                self.progress.update(bar, advance=seconds, audio=task.fields["audio"] + audio)
            if task.id != self.total_bar and task.total:
                files_in_progress += min(1.0, task.completed / task.total)
        self.progress.update(self.total_bar, completed=self.done + files_in_progress, audio=self.audio)

    def _show_result(self, event: Result) -> None:
        self.done += 1
        self._remove_bar(event.source)
        self.progress.update(self.total_bar, completed=self.done)
        if isinstance(event, Failed):
            self._line(f"[red]failed:[/] {escape(event.message)}", markup=True)
        elif self.plain_lines and isinstance(event, Finished):
            remaining = (time.monotonic() - self.start) / self.done * (self.files - self.done)
            count = f"[{self.done}/{self.files}, {clock(remaining)} left] " if self.files > 1 else ""
            self._line(f"{count}{event.target}: {event.seconds / max(event.elapsed, 1e-9):.0f}x real time")

    def _remove_bar(self, source: Path) -> None:
        """Remove a file's bar, if it has one."""
        if source in self.bars:
            self.progress.remove_task(self.bars.pop(source))

    def _line(self, text: str, markup: bool = False) -> None:
        self.errors.print(text, markup=markup)

    def summary(self, counter: ResultCounter, *, dry_run: bool) -> None:
        """Print the totals, and above them the table unless it would be long."""
        if self.quiet:
            return
        if not self.out.is_terminal:
            self.out.width = max(self.out.width, 200)  # a pipe or a file has no right edge
        if 0 < len(counter.results) <= MOST_ROWS:
            self.out.print(_table([_row(result, dry_run) for result in counter.results]))
            self._show_doubts(counter.results)
        verb = "would be done" if dry_run else "done"
        counts = [
            f"{counter.done - counter.damaged} {verb}",
            f"{counter.damaged} damaged",
            f"{counter.failed.total()} failed",
            f"{counter.skipped} skipped",
        ]
        elapsed = time.monotonic() - self.start
        total = ", ".join(count for count in counts if not count.startswith("0 ")) or "nothing to do"
        if counter.done and not dry_run:
            total += (
                f"; {clock(counter.seconds)} of audio in {clock(elapsed)} ({counter.seconds / elapsed:.0f}x real time)"
            )
        self.out.print(total)
        sys.stdout.flush()

    def _show_doubts(self, results: Sequence[Result]) -> None:
        """Say of which files it is not sure where they end, and how to decide otherwise."""
        for result in results:
            if not isinstance(result, Finished):
                continue
            unsure = [(part.cutoff_hz, part.confidence) for part in result.segments if not part.sure]
            if doubt := doubt_about(unsure, len(result.segments), result.rate_in):
                self.out.print(f"[yellow]{escape(result.source.name)}: {doubt}[/]", soft_wrap=True)


def doubt_about(unsure: Sequence[tuple[float, float]], parts: int, rate: int) -> str:
    """Words for the user where it is not sure at which frequency a source ends; empty where it is.

    Args:
        unsure: the cut-off, Hz, and the confidence, 0 … 1, of each part with a low confidence.
        parts: how many parts there are.
        rate: of the source, Hz.

    >>> doubt_about([(8_000.0, 0.41)], 1, 44_100)
    'not sure (41 %): to decide yourself, add --cutoff 8000 (or --cutoff 22050 to leave it alone)'
    """
    if not unsure:
        return ""
    least = f"{100 * min(confidence for _, confidence in unsure):.0f} %"
    if parts > 1:
        return (
            f"not sure about {len(unsure)} of {parts} parts ({least}): to decide yourself, "
            "see `upscaler inspect --write-cutoffs` and --cutoffs"
        )
    ((cutoff, _),) = unsure
    if cutoff >= rate / 2:
        return f"not sure ({least}) that it has no edge: to decide yourself, add --cutoff HZ"
    return (
        f"not sure ({least}): to decide yourself, add --cutoff {cutoff:.0f} (or --cutoff {rate // 2} to leave it alone)"
    )


def _table(rows: Sequence[tuple[str, ...]]) -> Table:
    table = Table(box=None, pad_edge=False)
    with_content = [index for index, column in enumerate(zip(*rows, strict=True)) if any(column)]
    for index, (column, justify) in enumerate(COLUMNS.items()):
        if index in with_content:
            table.add_column(column, justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*(escape(row[index]) for index in with_content))
    return table


def _row(result: Result, dry_run: bool) -> tuple[str, ...]:
    match result:
        case Failed(source, _, _):
            return source.name, "failed", "", "", "", "", "", ""
        case Skipped(source, target):
            return source.name, f"{target} (exists, skipped)", "", "", "", "", "", ""
        case Finished():
            cutoff = f"{result.cutoff_hz / 1000:.1f} kHz" if result.cutoff_hz is not None else ""
            return (
                result.source.name,
                str(result.target),
                f"{result.rate_in} → {result.rate_out}",
                clock(result.seconds),
                cutoff,
                _added(result),
                _level(result),
                "" if dry_run else f"{result.seconds / max(result.elapsed, 1e-9):.0f}x",
            )


def _added(result: Finished) -> str:
    restored = [segment for segment in result.segments if segment.added]
    if result.damaged:
        return f"damaged: {100 * result.silenced_share:.0f} % is silence"
    if result.added and len(restored) < len(result.segments):
        return f"restored in {len(restored)} of {len(result.segments)} parts"
    if result.added:
        return f"restored above {(result.cutoff_hz or 0) / 1000:.1f} kHz"
    if result.cutoff_hz is None:
        return ""
    return result.note if result.note == "silence" else f"not needed: {result.note}"


def _level(result: Finished) -> str:
    """Text such as `lowered by 1.8 dB`; empty where the level is as it was."""
    if result.lowered_db:
        return f"lowered by {max(result.lowered_db, 0.01):.2g} dB so that nothing clips"
    if not result.limited_db:
        return ""
    return f"limited up to {result.limited_db:.3g} dB, {100 * result.limited_share:.3g} % of the time"


def _short(path: Path) -> str:
    """A file's name, of at most 32 characters."""
    name = path.name
    return name if len(name) <= 32 else f"{name[:19]}…{name[-12:]}"


def clock(seconds: float) -> str:
    """A length as people read it: `3.2 s` below a minute, otherwise `1:02:03` or `4:05`.

    >>> clock(3723.4), clock(59.94)
    ('1:02:03', '59.9 s')
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
