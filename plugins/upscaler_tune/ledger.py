"""Who does which trial, so that none is lost and none done twice, with processes that may die at any moment.

A trial at work carries a sign of life that its process renews. One whose sign stays the same for `grace` seconds, by the
clock of whoever looks, is failed, and its values queued again: only the process whose failing it is taken (storages take
one) queues them. Optuna's own heartbeat serves databases only, and `optimize()` only.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from upscaler_tune.space import Space

ATTEMPTS = 3
"""So often is a trial begun whose process dies: it may be what kills them."""
ALIVE, FOLDER, ATTEMPT, ERROR, CODE = "alive", "folder", "attempt", "error", "exit_code"


class TrialQueue:
    """A study's trials, shared with other processes.

    Args:
        study: where they are kept.
        space: what is drawn for each.
        total: trials to be finished, of all processes.
        grace: seconds without a sign of life after which a trial is taken from its process.
    """

    def __init__(self, study: optuna.Study, space: Space, total: int, grace: float) -> None:
        self.study, self.total, self.grace = study, total, grace
        self.distributions = {name: parameter.distribution for name, parameter in space.items()}
        self.seen: dict[int, tuple[object, float]] = {}
        self.next_sign = 0.0

    @property
    def trials(self) -> list[FrozenTrial]:
        """All, lost ones included."""
        return self.study.get_trials(deepcopy=False)

    def claim(self) -> Trial | None:
        """A trial to begin, or None while enough are finished or at work."""
        if len(counted(self.trials)) >= self.total:
            return None
        trial = self.study.ask(self.distributions)
        before = [other for other in counted(self.trials) if other.number < trial.number]
        if len(before) >= self.total:  # another process was quicker
            self.study.tell(trial, state=TrialState.FAIL)
            return None
        if FOLDER not in trial.user_attrs:
            trial.set_user_attr(FOLDER, f"{trial.number:04}")
        trial.set_user_attr(ALIVE, time.time())
        return trial

    def open(self) -> bool:
        """Whether a trial is still at work or to be done, here or elsewhere."""
        trials = counted(self.trials)
        return len(trials) < self.total or any(trial.state == TrialState.RUNNING for trial in trials)

    def sign(self, mine: Iterable[Trial]) -> list[Trial]:
        """Now and then: renew the signs of one's own trials, and take those of the dead.

        Returns:
            One's own trials that others took meanwhile.
        """
        if time.monotonic() < self.next_sign:
            return []
        self.next_sign = time.monotonic() + self.grace / 4
        taken, numbers = [], set()
        for trial in mine:
            numbers.add(trial.number)
            try:
                trial.set_user_attr(ALIVE, time.time())
            except UpdateFinishedTrialError:
                taken.append(trial)
        for other in self.trials:
            if other.state == TrialState.RUNNING and other.number not in numbers and self._is_dead(other):
                self.lose(other)
        return taken

    def _is_dead(self, trial: FrozenTrial) -> bool:
        sign = trial.user_attrs.get(ALIVE)
        former, since = self.seen.get(trial.number, (self, 0.0))
        if sign != former:
            self.seen[trial.number] = sign, time.monotonic()
            return False
        return time.monotonic() - since > self.grace

    def lose(self, trial: Trial | FrozenTrial) -> None:
        """Fail a trial whose process is gone, and queue its values again."""
        try:
            self.study.tell(trial.number, state=TrialState.FAIL)
        except (ValueError, UpdateFinishedTrialError):
            return  # another process did
        attempt = trial.user_attrs.get(ATTEMPT, 1)
        if attempt < ATTEMPTS:
            attributes = {FOLDER: trial.user_attrs.get(FOLDER, f"{trial.number:04}"), ATTEMPT: attempt + 1}
            self.study.enqueue_trial(trial.params, attributes, skip_if_exists=False)

    def fail(self, trial: Trial, sentence: str, code: int) -> None:
        """Fail a trial whose training cannot be done; it counts."""
        trial.set_user_attr(ERROR, sentence)
        trial.set_user_attr(CODE, code)
        self.study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)

    def best(self) -> FrozenTrial | None:
        """The best of the trials that were trained to their end."""
        completed = any(trial.state == TrialState.COMPLETE for trial in self.trials)
        return self.study.best_trial if completed else None


def counted(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that are finished or at work; not those that were lost, which others stand for."""
    states = (TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED)
    return [trial for trial in trials if trial.state in states or failed(trial)]


def failed(trial: FrozenTrial) -> str | None:
    """Why a trial failed for good; None where it did not, or was only lost."""
    if trial.state != TrialState.FAIL:
        return None
    died = f"its process died {ATTEMPTS} times" if trial.user_attrs.get(ATTEMPT, 1) >= ATTEMPTS else None
    return trial.user_attrs.get(ERROR, died)
