"""The trials of a study, shared by processes that may die at any moment, so that no trial is lost or done twice.

A trial that is running has a heartbeat, which its process renews. Another process that sees the same heartbeat for `grace`
seconds, by its own clock, takes the trial for lost: it fails the trial and queues the values again. If several processes try
that at once, the storage lets only one of them fail the trial, and only this one queues the values. Optuna's own heartbeat
works only with databases, and only in `optimize()`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from upscaler_tune.search_space import SearchSpace

ATTEMPTS = 3
"""A trial whose process dies is started so many times. After that, the trial itself is probably what kills them."""
HEARTBEAT, FOLDER, ATTEMPT, ERROR, EXIT_CODE = "alive", "folder", "attempt", "error", "exit_code"
"""Names of the attributes that are stored with a trial."""


class TrialQueue:
    """The trials of a study.

    Args:
        study: stores the trials.
        space: the options that each trial draws.
        total: number of trials to finish, of all processes together.
        grace: seconds without a new heartbeat after which a trial counts as lost.
    """

    def __init__(self, study: optuna.Study, space: SearchSpace, total: int, grace: float) -> None:
        self.study, self.total, self.grace = study, total, grace
        self.distributions = {name: parameter.distribution for name, parameter in space.items()}
        self._heartbeats: dict[int, tuple[object, float]] = {}  # by trial: the last one, and when it was first seen
        self._next_heartbeat = 0.0

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials, lost ones included."""
        return self.study.get_trials(deepcopy=False)

    def start(self) -> Trial | None:
        """A trial to start; None if enough trials are finished or running."""
        if len(counted(self.trials)) >= self.total:
            return None
        trial = self.study.ask(self.distributions)
        earlier = [other for other in counted(self.trials) if other.number < trial.number]
        if len(earlier) >= self.total:  # another process was faster
            self.study.tell(trial, state=TrialState.FAIL)
            return None
        if FOLDER not in trial.user_attrs:
            trial.set_user_attr(FOLDER, f"{trial.number:04}")
        trial.set_user_attr(HEARTBEAT, time.time())
        return trial

    def is_open(self) -> bool:
        """Whether any trial is still running or to be started, here or in another process."""
        trials = counted(self.trials)
        return len(trials) < self.total or any(trial.state == TrialState.RUNNING for trial in trials)

    def renew_heartbeats(self, own: Iterable[Trial]) -> list[Trial]:
        """Renew the heartbeats of this process's trials, and queue the lost ones of others again, once in a while.

        Returns:
            The trials of this process that other processes took for lost.
        """
        if time.monotonic() < self._next_heartbeat:
            return []
        self._next_heartbeat = time.monotonic() + self.grace / 4
        lost_to_others, numbers = [], set()
        for trial in own:
            numbers.add(trial.number)
            try:
                trial.set_user_attr(HEARTBEAT, time.time())
            except UpdateFinishedTrialError:
                lost_to_others.append(trial)
        for other in self.trials:
            if other.state == TrialState.RUNNING and other.number not in numbers and self._is_lost(other):
                self.requeue(other)
        return lost_to_others

    def _is_lost(self, trial: FrozenTrial) -> bool:
        heartbeat = trial.user_attrs.get(HEARTBEAT)
        last, since = self._heartbeats.get(trial.number, (self, 0.0))  # `self` equals no heartbeat
        if heartbeat != last:
            self._heartbeats[trial.number] = heartbeat, time.monotonic()
            return False
        return time.monotonic() - since > self.grace

    def requeue(self, trial: Trial | FrozenTrial) -> None:
        """Fail a lost trial, and queue its values again unless it has had all its attempts."""
        try:
            self.study.tell(trial.number, state=TrialState.FAIL)
        except (ValueError, UpdateFinishedTrialError):
            return  # another process did it
        attempt = trial.user_attrs.get(ATTEMPT, 1)
        if attempt < ATTEMPTS:
            attributes = {FOLDER: trial.user_attrs.get(FOLDER, f"{trial.number:04}"), ATTEMPT: attempt + 1}
            self.study.enqueue_trial(trial.params, attributes, skip_if_exists=False)

    def fail(self, trial: Trial, reason: str, exit_code: int) -> None:
        """Fail a trial whose training is impossible. It counts as a finished trial."""
        trial.set_user_attr(ERROR, reason)
        trial.set_user_attr(EXIT_CODE, exit_code)
        self.study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)

    def best(self) -> FrozenTrial | None:
        """The best of the trials that were trained to their end."""
        completed = any(trial.state == TrialState.COMPLETE for trial in self.trials)
        return self.study.best_trial if completed else None


def counted(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that are finished or running. Lost trials do not count, as their values are queued again."""
    states = (TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED)
    return [trial for trial in trials if trial.state in states or failure_reason(trial)]


def failure_reason(trial: FrozenTrial) -> str | None:
    """Why a trial failed for good; None if it did not fail, or if it was only lost."""
    if trial.state != TrialState.FAIL:
        return None
    died = f"its process died {ATTEMPTS} times" if trial.user_attrs.get(ATTEMPT, 1) >= ATTEMPTS else None
    return trial.user_attrs.get(ERROR, died)
