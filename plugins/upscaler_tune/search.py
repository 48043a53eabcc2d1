"""A search from its beginning, or from where it stopped: trials begun, followed, pruned and told."""

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

from upscaler_core import Interrupt, UpscalerError
from upscaler_core.pipeline import Spec
from upscaler_tune.display import Display
from upscaler_tune.ledger import CODE, FOLDER, TrialQueue, counted, failed
from upscaler_tune.recipe import write_recipe
from upscaler_tune.space import Space
from upscaler_tune.training import Training, stop

POLL_SECONDS, LOOK_SECONDS = 0.1, 1.0
"""From one look at the trainings, and at the storage, to the next."""
HOPELESS = 3
"""So many trials that fail before one succeeds end a search: the recipe is wrong."""
INTERRUPTED = 130


class Search:
    """Trials at work in this process's children.

    Args:
        ledger: which trials there are.
        spec: the checked recipe.
        base: where its paths begin.
        space: what is searched.
        folder: for the trials' recipes and trainings, and `best.yaml`.
        words: further words of `upscaler train`.
        jobs: trials at a time.
        display: shows what happens.
    """

    def __init__(
        self,
        ledger: TrialQueue,
        spec: Spec,
        base: Path,
        space: Space,
        folder: Path,
        words: Sequence[str],
        jobs: int,
        display: Display,
    ) -> None:
        self.ledger, self.study, self.display = ledger, ledger.study, display
        self.spec, self.base, self.space, self.folder, self.words = spec, base, space, folder, words
        self.jobs = jobs
        self.threads = max(1, (os.cpu_count() or 1) // jobs) if jobs > 1 else None
        self.scorings = scorings(spec)
        self.running: dict[Trial, Training] = {}
        self.next_look = 0.0

    def go(self) -> bool:
        """Search until enough trials are finished, here and elsewhere; False where it was interrupted.

        Raises:
            UpscalerError: no training can be done by this recipe.
        """
        with Interrupt() as interrupt:
            try:
                while not interrupt.asked and self._goes_on():
                    for trial, training in list(self.running.items()):
                        self._follow(trial, training)
                    for trial in self.ledger.sign(self.running):
                        self._end(trial)
                    time.sleep(POLL_SECONDS)
            finally:
                stop(self.running.values())
                for trial in self.running:
                    self.ledger.lose(trial)
        return not interrupt.asked

    def _goes_on(self) -> bool:
        """Now and then: begin trials, and see whether any is left."""
        if time.monotonic() < self.next_look:
            return True
        self.next_look = time.monotonic() + LOOK_SECONDS
        while len(self.running) < self.jobs and (trial := self.ledger.claim()):
            self._begin(trial)
        self.display.show(self.ledger.trials, {trial.number for trial in self.running})
        return bool(self.running) or self.ledger.open()

    def _begin(self, trial: Trial) -> None:
        folder = self.folder / "trials" / trial.user_attrs[FOLDER]
        recipe = folder.with_suffix(".yaml")
        write_recipe(recipe, self.spec, self.base, self.space, trial.params)
        self.running[trial] = Training(recipe, folder, self.words, self.threads)

    def _follow(self, trial: Trial, training: Training) -> None:
        """Report a training's scores; tell what came of it when it is over, or end it when it is not worth going on."""
        code = training.ended()
        try:
            for number, score in training.scores():
                trial.report(score, number)
                if number < self.scorings and trial.should_prune():
                    self._end(trial)
                    self.study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)
                    self._told(trial)
                    return
            if code is not None:
                self._end(trial)
                self._tell(trial, training, code)
        except UpdateFinishedTrialError:  # it was taken for dead: this process was stopped for a while
            self._end(trial)

    def _end(self, trial: Trial) -> None:
        if trial in self.running:
            stop([self.running.pop(trial)])
            self.next_look = 0.0

    def _tell(self, trial: Trial, training: Training, code: int) -> None:
        scores = [score for score in training.told if not math.isnan(score)]
        if code < 0 or code == INTERRUPTED:
            self.display.say(f"trial {trial.number}: its training was killed; its values are tried again")
            self.ledger.lose(trial)
        elif code:
            self.ledger.fail(trial, training.reason(), code)
            self._told(trial)
            self._give_up_where_hopeless()
        elif not scores:
            self.ledger.fail(trial, "it has no score", UpscalerError.exit_code)
            self._told(trial)
        else:
            better = max if self.study.direction == optuna.study.StudyDirection.MAXIMIZE else min
            self.study.tell(trial, better(scores), skip_if_finished=True)
            self._told(trial)
            self.keep_best()

    def _told(self, trial: Trial) -> None:
        self.display.told(self.ledger.trials, trial.number)

    def _give_up_where_hopeless(self) -> None:
        ended = [trial for trial in counted(self.ledger.trials) if trial.state != TrialState.RUNNING]
        reasons = [failed(trial) for trial in ended]
        if len(ended) >= min(HOPELESS, self.ledger.total) and all(reasons):
            codes = {trial.user_attrs.get(CODE, 1) for trial in ended}
            error = UpscalerError(f"no training can be done by this recipe: {reasons[-1]}")
            error.exit_code = codes.pop() if len(codes) == 1 else 1
            raise error

    def keep_best(self) -> None:
        """Write the recipe of the best trial so far, of all processes."""
        if best := self.ledger.best():
            write_recipe(self.folder / "best.yaml", self.spec, self.base, self.space, best.params)


def scorings(spec: Any) -> int:
    """How often a training by a recipe is scored, the last epoch included."""
    return math.ceil(int(spec.epochs) / int(spec.scoring.every))
