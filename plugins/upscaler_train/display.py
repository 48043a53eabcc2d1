"""A run as people see it: a live panel on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TypeVar

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress import track
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from upscaler_train.pace import Throughput
from upscaler_train.scoring import Scores, mean
from upscaler_train.step import StepResult

SMOOTHING = 0.05
"""Weight of the newest step in the losses that are shown."""
LINE_SECONDS = 30
"""From one plain line to the next."""
SCORES = 8
"""Rows of the table of scores; the first ones stay, and the newest."""

T = TypeVar("T")


class Display:
    """Shows a run; use it as a context. Without `show` (in all processes but the first) it is silent."""

    def __init__(self, show: bool = True) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True, quiet=not show)
        self.title, self.metric, self.pace, self.an_epoch = "", "", Throughput(0, 1, 1), 1
        self.losses: dict[str, float] = {}
        self.scores: list[tuple[str, Scores]] = []
        self.last: StepResult | None = None
        self.next_line = 0.0
        self.live = Live(console=self.console, get_renderable=self._panel, refresh_per_second=4)

    def __enter__(self) -> Display:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self.live.is_started:
            self.live.stop()

    def say(self, text: str) -> None:
        """A line that stays."""
        self.console.print(escape(text))

    def warn(self, text: str) -> None:
        """Something the user should know."""
        self.console.print(f"[yellow]warning:[/] {escape(text)}")

    def track(self, items: Iterable[T], total: int, what: str) -> Iterable[T]:
        """Show how far a preparation is."""
        return track(items, what, total, console=self.console, transient=True, disable=not self.console.is_terminal)

    def begin(self, title: str, metric: str, pace: Throughput, an_epoch: int) -> None:
        """Training begins; the pace is kept up to date by who trains."""
        self.title, self.metric, self.pace, self.an_epoch = title, metric, pace, an_epoch
        self.next_line = time.monotonic() + LINE_SECONDS
        if self.console.is_terminal:
            self.live.start()
        else:
            self.say(title)

    def step(self, taken: StepResult) -> None:
        """A step was taken."""
        self.last = taken
        for name, value in {"all": taken.total, **taken.losses, **_named(taken)}.items():
            self.losses[name] = value + (1 - SMOOTHING) * (self.losses.get(name, value) - value)
        if not self.console.is_terminal and time.monotonic() >= self.next_line:
            self._line()

    def recall(self, name: str, scores: Scores) -> None:
        """A row of the table of scores, from before."""
        self.scores.append((name, scores))

    def scored(self, name: str, scores: Scores) -> None:
        """A new row of the table of scores."""
        self.recall(name, scores)
        if not self.console.is_terminal:
            self.say(f"{name}: {self.metric} {_row(scores)}")

    def epoch_ended(self) -> None:
        """An epoch's steps are done."""
        if not self.console.is_terminal:
            self._line()

    def _line(self) -> None:
        """Where training is, in a line."""
        losses = " ".join(f"{name} {value:.4g}" for name, value in self.losses.items())
        self.say(f"epoch {self._epoch}/{self._epochs} step {self.pace.done}/{self.pace.steps}: {losses} · {self.pace}")
        self.next_line = time.monotonic() + LINE_SECONDS

    @property
    def _epoch(self) -> int:
        return min(self.pace.done // self.an_epoch + 1, self._epochs)

    @property
    def _epochs(self) -> int:
        return self.pace.steps // self.an_epoch

    def _panel(self) -> Group:
        within = self.pace.done - (self._epoch - 1) * self.an_epoch
        bars = Table.grid(padding=(0, 1), expand=True)
        bars.add_column()
        bars.add_column(ratio=1)
        bars.add_column(justify="right")
        bars.add_row("training", ProgressBar(self.pace.steps, self.pace.done), f"epoch {self._epoch} of {self._epochs}")
        bars.add_row("epoch", ProgressBar(self.an_epoch, within), f"step {within:,} of {self.an_epoch:,}")
        parts: list[RenderableType] = [Text(self.title, style="bold"), bars, Text(str(self.pace), style="cyan")]
        if self.last:
            numbers = f"gradient {self.last.gradient:.3g} · learning rate {self.last.learning_rate:.3g}"
            parts += [
                _table(["loss", *self.losses], [["", *(f"{v:.4g}" for v in self.losses.values())]]),
                Text(numbers),
            ]
        if self.scores:
            shown = self.scores if len(self.scores) <= SCORES else self.scores[:2] + self.scores[2 - SCORES :]
            cutoffs = [f"{int(cutoff) / 1000:g} kHz" for cutoff in shown[0][1]]
            rows = [[name, *(f"{s:.3f}" for s in scores.values()), f"{mean(scores):.3f}"] for name, scores in shown]
            parts.append(_table([self.metric, *cutoffs, "mean"], rows))
        return Group(*parts)


def _named(taken: StepResult) -> dict[str, float]:
    return {f"{name} critic": value for name, value in taken.critics.items()}


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left")
    for row in rows:
        table.add_row(*row)
    return table


def _row(scores: Scores) -> str:
    each = ", ".join(f"{score:.3f} at {int(cutoff) / 1000:g} kHz" for cutoff, score in scores.items())
    return f"{mean(scores):.3f} ({each})"
