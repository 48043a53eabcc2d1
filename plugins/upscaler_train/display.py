"""A run as people see it: its throughput, a live panel on a terminal, plain lines elsewhere."""

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

from upscaler_train.scoring import Scores, mean_score
from upscaler_train.step import StepResult

SMOOTHING = 0.05
"""Weight of the newest step in the moving averages of the losses that are shown."""
LINE_SECONDS = 30
"""Time from one plain line to the next."""
SCORE_ROWS = 8
"""Rows of the table of scores. The first two stay; the others are the newest."""

T = TypeVar("T")


class Throughput:
    """How fast a run is, measured from the first step of this session on.

    Args:
        first_step: the step that the session begins with.
        steps: of the whole training.
        batch: excerpts in a step, of all processes.
    """

    def __init__(self, first_step: int, steps: int, batch: int) -> None:
        self.first_step, self.steps, self.batch = first_step, steps, batch
        self.steps_done = first_step
        self.waiting_seconds = 0.0
        self.paused_seconds = 0.0
        self.start_time = time.monotonic()

    def count_step(self, waiting_seconds: float) -> None:
        """Count a step, and the seconds that it waited for its data."""
        self.steps_done += 1
        self.waiting_seconds += waiting_seconds

    def pause(self, seconds: float) -> None:
        """Count seconds in which something else was done, such as scoring."""
        self.paused_seconds += seconds

    @property
    def elapsed(self) -> float:
        """Seconds of this session."""
        return time.monotonic() - self.start_time

    @property
    def training_seconds(self) -> float:
        """Seconds of this session that were spent in steps."""
        return max(1e-9, self.elapsed - self.paused_seconds)

    @property
    def excerpts_per_second(self) -> float:
        """Excerpts per second of training."""
        return (self.steps_done - self.first_step) * self.batch / self.training_seconds

    @property
    def waiting_share(self) -> float:
        """Share of the training's time that was spent waiting for data, 0 … 1."""
        return self.waiting_seconds / self.training_seconds

    @property
    def remaining_seconds(self) -> float | None:
        """Seconds to the end of the training, scoring included. None before the first step."""
        steps = self.steps_done - self.first_step
        return self.elapsed / steps * (self.steps - self.steps_done) if steps else None

    def __str__(self) -> str:
        remaining = "" if self.remaining_seconds is None else f" · {clock(self.remaining_seconds)} left"
        return f"{self.excerpts_per_second:.1f} excerpts/s · {self.waiting_share:.0%} waiting for data{remaining}"


def clock(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> clock(3723.4), clock(59)
    ('1:02:03', '0:59')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Display:
    """Shows a run; use it as a context.

    Args:
        show: False = print nothing, as in all processes but the first.
    """

    def __init__(self, show: bool = True) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True, quiet=not show)
        self.title, self.metric, self.throughput, self.steps_per_epoch = "", "", Throughput(0, 1, 1), 1
        self.losses: dict[str, float] = {}
        self.scores: list[tuple[str, Scores]] = []
        self.last_result: StepResult | None = None
        self.next_line = 0.0
        self.live = Live(console=self.console, get_renderable=self._panel, refresh_per_second=4)

    def __enter__(self) -> Display:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self.live.is_started:
            self.live.stop()

    def print(self, text: str) -> None:
        """Print a line that stays."""
        self.console.print(escape(text))

    def warn(self, text: str) -> None:
        """Print a warning."""
        self.console.print(f"[yellow]warning:[/] {escape(text)}")

    def track(self, items: Iterable[T], total: int, title: str) -> Iterable[T]:
        """Show the progress of a preparation while its items pass through."""
        return track(items, title, total, console=self.console, transient=True, disable=not self.console.is_terminal)

    def begin(self, title: str, metric: str, throughput: Throughput, steps_per_epoch: int) -> None:
        """Show that training begins. The loop goes on updating the throughput."""
        self.title, self.metric, self.throughput, self.steps_per_epoch = title, metric, throughput, steps_per_epoch
        self.next_line = time.monotonic() + LINE_SECONDS
        if self.console.is_terminal:
            self.live.start()
        else:
            self.print(title)

    def show_step(self, result: StepResult) -> None:
        """Show the result of a step."""
        self.last_result = result
        critics = {f"{name} critic": value for name, value in result.critics.items()}
        for name, value in {"all": result.total, **result.losses, **critics}.items():
            self.losses[name] = value + (1 - SMOOTHING) * (self.losses.get(name, value) - value)
        if not self.console.is_terminal and time.monotonic() >= self.next_line:
            self._print_progress()

    def show_epoch_end(self) -> None:
        """Show that an epoch's steps are done."""
        if not self.console.is_terminal:
            self._print_progress()

    def add_scores(self, name: str, scores: Scores) -> None:
        """Add a row to the table of scores."""
        self.scores.append((name, scores))

    def show_scores(self, name: str, scores: Scores) -> None:
        """Add a new row to the table of scores, and print it where there is no table."""
        self.add_scores(name, scores)
        if not self.console.is_terminal:
            self.print(f"{name}: {self.metric} {_scores_text(scores)}")

    def _print_progress(self) -> None:
        """Print the step, the losses and the throughput in a line."""
        losses = " ".join(f"{name} {value:.4g}" for name, value in self.losses.items())
        epoch, step = f"{self._epoch}/{self._epochs}", f"{self.throughput.steps_done}/{self.throughput.steps}"
        self.print(f"epoch {epoch} step {step}: {losses} · {self.throughput}")
        self.next_line = time.monotonic() + LINE_SECONDS

    @property
    def _epoch(self) -> int:
        """The current epoch, from 1."""
        return min(self.throughput.steps_done // self.steps_per_epoch + 1, self._epochs)

    @property
    def _epochs(self) -> int:
        return self.throughput.steps // self.steps_per_epoch

    def _panel(self) -> Group:
        """The live panel: progress bars, throughput, losses, scores."""
        parts: list[RenderableType] = [Text(self.title, style="bold"), self._progress_bars()]
        parts.append(Text(str(self.throughput), style="cyan"))
        if result := self.last_result:
            parts += [
                _table(["loss", *self.losses], [["", *(f"{v:.4g}" for v in self.losses.values())]]),
                Text(f"gradient {result.gradient:.3g} · learning rate {result.learning_rate:.3g}"),
            ]
        if self.scores:
            parts.append(self._score_table())
        return Group(*parts)

    def _progress_bars(self) -> Table:
        done, steps, per_epoch = self.throughput.steps_done, self.throughput.steps, self.steps_per_epoch
        within_epoch = done - (self._epoch - 1) * per_epoch
        bars = Table.grid(padding=(0, 1), expand=True)
        bars.add_column()
        bars.add_column(ratio=1)
        bars.add_column(justify="right")
        bars.add_row("training", ProgressBar(steps, done), f"epoch {self._epoch} of {self._epochs}")
        bars.add_row("epoch", ProgressBar(per_epoch, within_epoch), f"step {within_epoch:,} of {per_epoch:,}")
        return bars

    def _score_table(self) -> Table:
        shown = self.scores if len(self.scores) <= SCORE_ROWS else self.scores[:2] + self.scores[2 - SCORE_ROWS :]
        cutoffs = [f"{int(cutoff) / 1000:g} kHz" for cutoff in shown[0][1]]
        rows = [[name, *(f"{s:.3f}" for s in scores.values()), f"{mean_score(scores):.3f}"] for name, scores in shown]
        return _table([self.metric, *cutoffs, "mean"], rows)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left")
    for row in rows:
        table.add_row(*row)
    return table


def _scores_text(scores: Scores) -> str:
    by_cutoff = ", ".join(f"{score:.3f} at {int(cutoff) / 1000:g} kHz" for cutoff, score in scores.items())
    return f"{mean_score(scores):.3f} ({by_cutoff})"
