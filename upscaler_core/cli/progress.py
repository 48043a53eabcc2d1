"""Shows events to people while the work goes on: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from upscaler_core.cli import words
from upscaler_core.jobs.estimate import Estimate
from upscaler_core.jobs.events import Event, Failed, Result, Skipped
from upscaler_core.pipeline.events import Advanced, Finished, Planned, Started, Warned

MOST = 0.99
"""How far a bar goes before there is a result: the output is still to be flushed to the disk and hashed."""
BAR = 20
"""Columns of a bar. With a name of at most 32 characters a line has room in 80 columns."""


class Percentage(ProgressColumn):
    """How much is done; empty where that is not known."""

    def render(self, task: Task) -> Text:
        """Text such as ` 42%`."""
        return Text(f"{int(task.percentage):>3}%" if task.total else "", style="magenta")


class Speed(ProgressColumn):
    """Seconds of audio that are done in one second."""

    def render(self, task: Task) -> Text:
        """Text such as `52x`; empty before anything is done."""
        return Text(task.fields.get("speed", ""), style="cyan")


class TimeLeft(ProgressColumn):
    """The time that is left. It counts down from one event to the next."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self.clock = clock

    def render(self, task: Task) -> Text:
        """Text such as `4:05 left`; empty where it is not known."""
        end = task.fields.get("end")
        return Text("" if end is None or end <= self.clock() else f"{_clock(end - self.clock())} left", style="cyan")


class Renderer:
    """Shows events: use it as a context while the work goes on, and call it with every event (see `jobs/events.py`).

    Args:
        files: how many files there are in all.
        quiet: show errors only.
        estimate: knows how far the run is; it gets every event before this.
    """

    def __init__(self, files: int, *, quiet: bool, estimate: Estimate | None = None) -> None:
        self.errors = Console(stderr=True, highlight=False, soft_wrap=True)
        self.quiet = quiet
        self.files = files
        self.estimate = estimate or Estimate(files)
        self.bars: dict[Path, TaskID] = {}
        self.progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(BAR),
            Percentage(),
            Speed(),
            TimeLeft(self.estimate.clock),
            console=self.errors,
            transient=True,
            disable=quiet or not self.errors.is_terminal,
        )
        self.plain_lines = not quiet and not self.errors.is_terminal

    @property
    def shows_progress(self) -> bool:
        """Whether anything is shown while the work goes on."""
        return not self.quiet

    def __enter__(self) -> Renderer:
        self.progress.start()
        self.start_bar = self.progress.add_task("loading torch and the pipeline", total=None)
        self.total_bar = self.progress.add_task("", total=1.0, visible=False)
        self._show_total()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.progress.stop()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        match event:
            case Started(source, seconds, _):
                self.progress.update(self.start_bar, visible=False)
                self._remove_bar(source)  # a process may have crashed at this file before
                self.bars[source] = self.progress.add_task(_short(source), total=1.0 if seconds else None)
                if self.plain_lines:
                    length = words.clock(seconds) if seconds else "unknown length"
                    self.line(f"{words.printable(str(source))}: {length}")
            case Planned(source, _) | Advanced(source, _):
                self._advance(source)
            case Warned(source, message):
                if not self.quiet:
                    name = escape(words.printable(str(source)))
                    self.line(f"[yellow]warning:[/] {name}: {escape(words.printable(message))}", markup=True)
            case Finished() | Skipped() | Failed():
                self._show_result(event)
        self._show_total()

    def _advance(self, source: Path) -> None:
        """Move a file's bar. It never goes back, although the estimate may."""
        bar, seconds = self.bars[source], self.estimate.active[source].seconds
        if seconds is None:
            return
        task = next(task for task in self.progress.tasks if task.id == bar)
        done = max(task.completed, min(MOST, self.estimate.fraction_of(source)))
        elapsed = self.estimate.clock() - self.estimate.active[source].began
        self.progress.update(
            bar,
            total=1.0,
            completed=done,
            speed=words.speed(done * seconds, elapsed) if done else "",
            end=self._end(self.estimate.remaining_of(source)),
        )

    def _end(self, remaining: float | None) -> float | None:
        """When something ends, on the estimate's clock."""
        return None if remaining is None else self.estimate.clock() + remaining

    def _show_total(self) -> None:
        """Move the bar of all files."""
        ended = f"{self.estimate.ended} of {self.files} files"
        task = next(task for task in self.progress.tasks if task.id == self.total_bar)
        done = max(task.completed, min(MOST, self.estimate.fraction))
        self.progress.update(
            self.total_bar,
            description=ended,
            completed=done,
            end=self._end(self.estimate.remaining),
            visible=self.files > 1,
        )

    def _show_result(self, event: Result) -> None:
        self.progress.update(self.start_bar, visible=False)
        self._remove_bar(event.source)
        if isinstance(event, Failed):
            self.line(f"[red]failed:[/] {escape(words.printable(event.message))}", markup=True)
        elif self.plain_lines and isinstance(event, Finished):
            remaining = self.estimate.remaining
            left = f", {words.clock(remaining)} left" if remaining else ""
            count = f"[{self.estimate.ended}/{self.files}{left}] " if self.files > 1 else ""
            speed = words.speed(event.seconds, event.elapsed)
            target = words.printable(str(event.target))
            self.line(f"{count}{target}: {speed} real time, {words.decision_of(event)}")

    def _remove_bar(self, source: Path) -> None:
        """Remove a file's bar, if it has one."""
        if source in self.bars:
            self.progress.remove_task(self.bars.pop(source))

    def line(self, text: str, markup: bool = False) -> None:
        """Print a line above the bars."""
        self.errors.print(text, markup=markup)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _short(path: Path) -> str:
    """A file's name, of at most 32 characters."""
    name = words.printable(path.name)
    return name if len(name) <= 32 else f"{name[:19]}…{name[-12:]}"
