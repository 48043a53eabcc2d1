"""The progress of a search: a live table of trials on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from types import TracebackType

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from upscaler_tune.search_space import SearchSpace
from upscaler_tune.trial_queue import counted, failure_reason

OTHER_LINES = 8
"""Number of lines of a terminal that are left for other things than rows of the table."""
PIPE_WIDTH = 200
"""Least number of characters of a line that goes to a pipe or a file, which have no edge to wrap at."""
STATES = {TrialState.COMPLETE: "done", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}


class Display:
    """Shows the progress of a search while it is used as a context manager.

    Args:
        title: name of the search.
        space: the options whose values are shown.
        metric: name of the metric.
        direction: whether higher or lower scores are better.
        total: number of trials to finish.
        scorings: number of scorings of a trial.
    """

    def __init__(
        self, title: str, space: SearchSpace, metric: str, direction: StudyDirection, total: int, scorings: int
    ) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self.title, self.space, self.metric, self.total, self.scorings = title, space, metric, total, scorings
        self.maximize = direction == StudyDirection.MAXIMIZE
        self.trials: Sequence[FrozenTrial] = []
        self.own: Collection[int] = ()
        self.live = Live(console=self.console, get_renderable=self._panel, refresh_per_second=4, transient=True)

    def __enter__(self) -> Display:
        if self.console.is_terminal:
            self.live.start()
        else:
            self.say(self.title)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.live.stop()

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self.console.print(escape(text))

    def show(self, trials: Sequence[FrozenTrial], own: Collection[int]) -> None:
        """Show all trials; `own` are the numbers of those that run in this process's children."""
        self.trials, self.own = trials, own

    def show_result(self, trials: Sequence[FrozenTrial], number: int) -> None:
        """Show the result of a trial that has ended."""
        self.trials = trials
        if not self.console.is_terminal:
            trial = trials[number]
            names = zip(short_names(list(self.space)), self.space, strict=True)
            values = ", ".join(f"{short} {format_value(trial.params.get(name))}" for short, name in names)
            score = f" {self.metric} {trial.value:.3f}" if trial.value is not None else ""
            self.say(f"trial {number}: {state(trial)}{score} · {values} · best {self._best(trials)}")

    def finish(self, trials: Sequence[FrozenTrial], *, to_stderr: bool) -> None:
        """Print the table of all trials."""
        self.show(trials, ())
        console = self.console if to_stderr else Console(highlight=False)
        if not console.is_terminal:
            console.width = max(console.width, PIPE_WIDTH)
        console.print(self.table())

    def table(self, rows: int | None = None) -> Table:
        """The table of the trials, or only of the last `rows` ones."""
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("trial", justify="right")
        for name in (*short_names(list(self.space)), "scored", self.metric, "best so far"):
            table.add_column(escape(name), justify="right", overflow="fold")
        table.add_column("state")
        table.add_column("time", justify="right")
        lines = list(self._lines())
        for line, bold in lines[-rows:] if rows else lines:
            table.add_row(*map(escape, line), style="bold" if bold else "")
        return table

    def _lines(self) -> Iterator[tuple[list[str], bool]]:
        trials = counted(self.trials)
        finished = [t.value for t in trials if t.state == TrialState.COMPLETE and t.value is not None]
        better = max if self.maximize else min
        winner, best = better(finished, default=None), None
        for trial in trials:
            scores = list(trial.intermediate_values.values())
            value = trial.value if trial.value is not None else scores[-1] if scores else None
            if trial.state == TrialState.COMPLETE and trial.value is not None:
                best = trial.value if best is None else better(best, trial.value)
            elapsed = f"{trial.duration.total_seconds():.0f} s" if trial.duration else ""
            status = state(trial) if trial.number in self.own or trial.state != TrialState.RUNNING else "elsewhere"
            numbers = [f"{len(scores)}/{self.scorings}", *("" if n is None else f"{n:.3f}" for n in (value, best))]
            values = [format_value(trial.params.get(name)) for name in self.space]
            yield [str(trial.number), *values, *numbers, status, elapsed], value is not None and value == winner

    def _best(self, trials: Sequence[FrozenTrial]) -> str:
        finished = [t.value for t in trials if t.state == TrialState.COMPLETE and t.value is not None]
        return f"{(max if self.maximize else min)(finished):.3f}" if finished else "none yet"

    def _panel(self) -> Group:
        ended = [trial for trial in counted(self.trials) if trial.state != TrialState.RUNNING]
        head = f"{self.title} · {len(ended)} of {self.total} trials · best {self.metric} {self._best(self.trials)}"
        return Group(Text(head, style="bold"), self.table(max(3, self.console.size.height - OTHER_LINES)))


def state(trial: FrozenTrial) -> str:
    """The state of a trial; for a failed one, also the reason."""
    reason = failure_reason(trial) if trial.state == TrialState.FAIL else None
    return f"failed: {reason}" if reason else STATES.get(trial.state, "running")


def short_names(paths: Sequence[str]) -> list[str]:
    """The last parts of the paths, or the complete path if several options have the same last part.

    >>> short_names(["models.*.base_channels", "losses.0.weight", "losses.1.weight"])
    ['base_channels', 'losses.0.weight', 'losses.1.weight']
    """
    names = [path.rpartition(".")[2] for path in paths]
    return [name if names.count(name) == 1 else path for name, path in zip(names, paths, strict=True)]


def format_value(value: object) -> str:
    """The value of an option, with four digits if it is a float.

    >>> format_value(0.00031415926), format_value(16), format_value(None)
    ('0.0003142', '16', '')
    """
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
