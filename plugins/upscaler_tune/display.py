"""A search as people see it: a live table of trials on a terminal, plain lines elsewhere."""

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

from upscaler_tune.ledger import counted, failed
from upscaler_tune.space import Space

OTHER_LINES = 8
"""Of a terminal, beside the rows of the table."""
STATES = {TrialState.COMPLETE: "done", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}


class Display:
    """Shows a search; use it as a context.

    Args:
        title: what is searched.
        space: whose values are shown.
        metric: what is scored.
        direction: where better is.
        total: trials to be finished.
        scorings: of a trial.
    """

    def __init__(
        self, title: str, space: Space, metric: str, direction: StudyDirection, total: int, scorings: int
    ) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self.title, self.space, self.metric, self.total, self.scorings = title, space, metric, total, scorings
        self.maximize = direction == StudyDirection.MAXIMIZE
        self.trials: Sequence[FrozenTrial] = []
        self.mine: Collection[int] = ()
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
        """A line that stays."""
        self.console.print(escape(text))

    def show(self, trials: Sequence[FrozenTrial], mine: Collection[int]) -> None:
        """Where all trials are, and which of them are this process's."""
        self.trials, self.mine = trials, mine

    def told(self, trials: Sequence[FrozenTrial], number: int) -> None:
        """A trial is over."""
        self.trials = trials
        if not self.console.is_terminal:
            trial = trials[number]
            names = zip(short(list(self.space)), self.space, strict=True)
            values = ", ".join(f"{brief} {shown(trial.params.get(name))}" for brief, name in names)
            score = f" {self.metric} {trial.value:.3f}" if trial.value is not None else ""
            self.say(f"trial {number}: {state(trial)}{score} · {values} · best {self._best(trials)}")

    def finish(self, trials: Sequence[FrozenTrial], *, to_stderr: bool) -> None:
        """Print the whole table."""
        self.show(trials, ())
        console = self.console if to_stderr else Console(highlight=False)
        if not console.is_terminal:
            console.width = max(console.width, 200)  # a pipe or a file has no edge to wrap at
        console.print(self.table())

    def table(self, rows: int | None = None) -> Table:
        """The trials, the newest ones where there are too many, with the best so far."""
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("trial", justify="right")
        for name in (*short(list(self.space)), "scored", self.metric, "best so far"):
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
            doing = state(trial) if trial.number in self.mine or trial.state != TrialState.RUNNING else "elsewhere"
            numbers = [f"{len(scores)}/{self.scorings}", *("" if n is None else f"{n:.3f}" for n in (value, best))]
            values = [shown(trial.params.get(name)) for name in self.space]
            yield [str(trial.number), *values, *numbers, doing, elapsed], value is not None and value == winner

    def _best(self, trials: Sequence[FrozenTrial]) -> str:
        finished = [t.value for t in trials if t.state == TrialState.COMPLETE and t.value is not None]
        return f"{(max if self.maximize else min)(finished):.3f}" if finished else "none yet"

    def _panel(self) -> Group:
        ended = [trial for trial in counted(self.trials) if trial.state != TrialState.RUNNING]
        head = f"{self.title} · {len(ended)} of {self.total} trials · best {self.metric} {self._best(self.trials)}"
        return Group(Text(head, style="bold"), self.table(max(3, self.console.size.height - OTHER_LINES)))


def state(trial: FrozenTrial) -> str:
    """What a trial is at, or why it failed."""
    reason = failed(trial) if trial.state == TrialState.FAIL else None
    return f"failed: {reason}" if reason else STATES.get(trial.state, "running")


def short(paths: Sequence[str]) -> list[str]:
    """The options' own names, without the path to them where no other has the same.

    >>> short(["models.*.base_channels", "losses.0.weight", "losses.1.weight"])
    ['base_channels', 'losses.0.weight', 'losses.1.weight']
    """
    names = [path.rpartition(".")[2] for path in paths]
    return [name if names.count(name) == 1 else path for name, path in zip(names, paths, strict=True)]


def shown(value: object) -> str:
    """A value as people read it.

    >>> shown(0.00031415926), shown(16), shown(None)
    ('0.0003142', '16', '')
    """
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
