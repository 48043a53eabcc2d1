"""A search from its beginning, or from where it stopped.

It starts the trials, follows and prunes them, and stores their results.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import Trial, TrialState

from upscaler_core import UpscalerError
from upscaler_core.cli import Interrupt
from upscaler_core.pipeline import Spec
from upscaler_tune.display import Display
from upscaler_tune.recipe import write_recipe
from upscaler_tune.search_space import SearchSpace
from upscaler_tune.trial_queue import EXIT_CODE, FOLDER, TrialQueue, counted, failure_reason
from upscaler_tune.trial_training import Training, stop

TRAINING_SECONDS, STORAGE_SECONDS = 0.1, 1.0
"""Time between two checks of the trainings, and of the storage."""
MAX_FIRST_FAILURES = 3
"""If so many trials fail before one succeeds, the recipe is wrong, and the search ends."""
INTERRUPTED = 130
"""Exit code of a training that was interrupted by Ctrl-C."""


class Search:
    """A search whose trials run in child processes.

    Args:
        queue: the trials of the study.
        spec: the checked recipe of the search.
        base: the folder that relative paths in the recipe start from.
        space: the options to search.
        folder: for the recipes and trainings of the trials, and for `best.yaml`.
        arguments: further arguments of `upscaler train`.
        jobs: number of trials at a time.
        display: shows the progress.
    """

    def __init__(
        self,
        queue: TrialQueue,
        spec: Spec,
        base: Path,
        space: SearchSpace,
        folder: Path,
        arguments: Sequence[str],
        jobs: int,
        display: Display,
    ) -> None:
        self.queue, self.study, self.display = queue, queue.study, display
        self.spec, self.base, self.space, self.folder, self.arguments = spec, base, space, folder, arguments
        self.jobs = jobs
        self.threads = max(1, (os.cpu_count() or 1) // jobs) if jobs > 1 else None
        self.scorings = scorings_of(spec)
        self.running: dict[Trial, Training] = {}
        self.next_storage_check = 0.0

    def run(self) -> bool:
        """Search until enough trials are finished, here and in other processes; return False if it was interrupted.

        Raises:
            UpscalerError: no training with this recipe is possible.
        """
        with Interrupt() as interrupt:
            try:
                while not interrupt.requested and self._start_trials():
                    for trial, training in list(self.running.items()):
                        self._follow(trial, training)
                    for trial in self.queue.renew_heartbeats(self.running):
                        self._stop(trial)
                    time.sleep(TRAINING_SECONDS)
            finally:
                stop(self.running.values())
                for trial in self.running:
                    self.queue.requeue(trial)
        return not interrupt.requested

    def _start_trials(self) -> bool:
        """Once in a while, start trials; return whether the search goes on."""
        if time.monotonic() < self.next_storage_check:
            return True
        self.next_storage_check = time.monotonic() + STORAGE_SECONDS
        while len(self.running) < self.jobs and (trial := self.queue.start()):
            self._start(trial)
        self.display.show(self.queue.trials, {trial.number for trial in self.running})
        return bool(self.running) or self.queue.is_open()

    def _start(self, trial: Trial) -> None:
        folder = self.folder / "trials" / trial.user_attrs[FOLDER]
        recipe = folder.with_suffix(".yaml")
        write_recipe(recipe, self.spec, self.base, self.space, trial.params)
        self.running[trial] = Training(recipe, folder, self.arguments, self.threads)

    def _follow(self, trial: Trial, training: Training) -> None:
        """Report the new scores of a training. Prune it if they are poor, and store its result if it has ended."""
        exit_code = training.exit_code()
        try:
            for number, score in training.new_scores():
                trial.report(score, number)
                if number < self.scorings and trial.should_prune():
                    self._stop(trial)
                    self.study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)
                    self._show_result(trial)
                    return
            if exit_code is not None:
                self._stop(trial)
                self._store_result(trial, training, exit_code)
        except UpdateFinishedTrialError:  # this process was suspended for a while, and another took the trial for lost
            self._stop(trial)

    def _stop(self, trial: Trial) -> None:
        if trial in self.running:
            stop([self.running.pop(trial)])
            self.next_storage_check = 0.0

    def _store_result(self, trial: Trial, training: Training, exit_code: int) -> None:
        scores = [score for score in training.scores if not math.isnan(score)]
        if exit_code < 0 or exit_code == INTERRUPTED:
            self.display.say(f"trial {trial.number}: its training was killed; its values are tried again")
            self.queue.requeue(trial)
        elif exit_code:
            self.queue.fail(trial, training.failure_reason(), exit_code)
            self._show_result(trial)
            self._raise_if_hopeless()
        elif not scores:
            self.queue.fail(trial, "it has no score", UpscalerError.exit_code)
            self._show_result(trial)
        else:
            better = max if self.study.direction == optuna.study.StudyDirection.MAXIMIZE else min
            self.study.tell(trial, better(scores), skip_if_finished=True)
            self._show_result(trial)
            self.write_best()

    def _show_result(self, trial: Trial) -> None:
        self.display.show_result(self.queue.trials, trial.number)

    def _raise_if_hopeless(self) -> None:
        ended = [trial for trial in counted(self.queue.trials) if trial.state != TrialState.RUNNING]
        reasons = [failure_reason(trial) for trial in ended]
        if len(ended) >= min(MAX_FIRST_FAILURES, self.queue.total) and all(reasons):
            codes = {trial.user_attrs.get(EXIT_CODE, 1) for trial in ended}
            error = UpscalerError(f"no training can be done by this recipe: {reasons[-1]}")
            error.exit_code = codes.pop() if len(codes) == 1 else 1
            raise error

    def write_best(self) -> None:
        """Write the recipe of the best trial so far, of all processes."""
        if best := self.queue.best():
            write_recipe(self.folder / "best.yaml", self.spec, self.base, self.space, best.params)


def scorings_of(spec: Any) -> int:
    """The number of scorings of a training with a recipe, the one after the last epoch included."""
    return math.ceil(int(spec.epochs) / int(spec.scoring.every))
