"""The training loop, from the first step, or from where a run was stopped, to the report.

`TrainingRun.train` is the loop itself. The methods below it are in the order in which it calls them.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from upscaler_core import UpscalerError
from upscaler_core.cli import Interrupt
from upscaler_core.files import atomic_write
from upscaler_core.pipeline import EnhancementStep
from upscaler_train.checkpoints import (
    DAMAGE,
    STATE,
    damaged_state,
    load_state,
    restore_trainer,
    save_state,
    trainer_tensors,
    write_weights,
)
from upscaler_train.data.dataset import provenance
from upscaler_train.data.excerpts import Batch
from upscaler_train.display import Display, Throughput
from upscaler_train.distributed import any_process, from_main_process
from upscaler_train.recipe import RECIPE, recipe_yaml
from upscaler_train.report import LOG, TrainingLog, read_log, write_report
from upscaler_train.run_setup import TrainingSetup
from upscaler_train.scoring import Scores, mean_score
from upscaler_train.step import StepResult
from upscaler_train.training_system import System

MAX_BAD_STEPS = 10
"""A run ends after so many steps in a row whose loss or gradient is not a number."""


@dataclass
class TrainingProgress:
    """How far a run is. The field names are keys of the saved state."""

    step: int = 0
    """Steps so far."""
    bad: int = 0
    """Steps in a row that did not change the weights."""
    best: float | None = None
    """The best mean score."""
    best_epoch: int = 0
    stale: int = 0
    """Scorings since the best one."""
    seconds: float = 0.0
    """Wall clock of all sessions."""


class TrainingRun:
    """A training run in its folder. If the folder holds a saved state, the run goes on from there.

    Args:
        setup: the objects that it is made of.
        folder: where everything that it writes goes.
        display: shows it.
    """

    def __init__(self, setup: TrainingSetup, folder: Path, display: Display) -> None:
        self.setup, self.recipe, self.folder, self.display = setup, setup.recipe, folder, display
        self.trainer, self.scoring, self.accelerator = setup.trainer, setup.scoring, setup.accelerator
        self.is_main = setup.accelerator.is_main_process  # the only process that writes files
        self.progress = TrainingProgress()
        self.scores: Scores = {}
        if self.is_main:
            with atomic_write(folder / RECIPE) as part:
                part.write_text(recipe_yaml(self.recipe), encoding="utf-8")
        if (folder / STATE).is_file():
            self._restore()
        self.seconds_before = self.progress.seconds
        self.log = TrainingLog(folder, self.progress.step) if self.is_main else None
        if self.log and self.log.damaged_lines:
            display.warn(f"{folder / LOG}: {self.log.damaged_lines} damaged lines were left out")
        self.throughput = Throughput(self.progress.step, setup.steps, self.recipe.batch)
        self.last_save = time.monotonic()

    def train(self) -> bool:
        """Train to the end; False if the run was interrupted, and its state is saved.

        Raises:
            UpscalerError: the losses are not numbers any more.
        """
        progress = self.progress
        self.display.begin(self._title(), self.recipe.metric.use, self.throughput, self.setup.steps_per_epoch)
        try:
            # Scores to compare with, before the first step. A resumed run has them in its log.
            if progress.step:
                self._show_logged_scores()
            elif self.scoring:
                self._score_untrained()

            with Interrupt() as interrupt:
                for batch in self._batches():
                    # One step: forward, losses, backward, the optimizer, the weights' moving average.
                    result = self.trainer.step(progress.step, batch)
                    progress.step += 1
                    progress.bad = 0 if result.applied else progress.bad + 1
                    self._record(result)
                    if progress.bad >= MAX_BAD_STEPS:
                        raise self._divergence(result, batch)

                    # After each epoch, score the averaged weights, and write them.
                    epoch_ended = progress.step % self.setup.steps_per_epoch == 0
                    if epoch_ended:
                        self._score_and_write_weights()

                    # Save the state after each epoch, every few minutes, and when any process was interrupted.
                    interrupted, save_is_due = any_process(self.accelerator, interrupt.requested, self._save_is_due())
                    if epoch_ended or interrupted or save_is_due:
                        self._save()

                    # Stop at the end, early without better scores, or when interrupted.
                    if interrupted or self._is_over():
                        break
        finally:
            if self.log:
                self.log.close()

        if self._is_over() and self.is_main:
            self._write_report()
        return self._is_over()

    def _title(self) -> str:
        weights = sum(p.numel() for p in self.trainer.parameters)
        precision = {"no": "float32", "bf16": "bfloat16", "fp16": "float16"}[str(self.accelerator.mixed_precision)]
        resumed = f" · goes on at step {self.progress.step:,}" if self.progress.step else ""
        return (
            f"{self.folder} · {weights:,} weights · {self.accelerator.device.type} {precision} · "
            f"{len(self.setup.excerpts.recordings)} recordings{resumed}"
        )

    def _show_logged_scores(self) -> None:
        for entry in read_log(self.folder):
            if entry["kind"] == "score":
                self.scores = entry["scores"]
                self.display.add_scores(entry["name"], entry["scores"])

    def _score_untrained(self) -> None:
        """Score the inputs themselves, the reference model, which has learned nothing, and the first weights."""
        use, options = self.recipe.reference.use, self.recipe.reference.options
        reference = System(EnhancementStep({use: self.setup.registry.model(use, options)}))
        self._score("input", None, trained=False)
        self._score(use, reference.to(self.accelerator.device), trained=False)
        self._score("start", self.trainer.averaged, trained=True)

    def _score(self, name: str, system: System | None, *, trained: bool) -> Scores:
        """Score a system in the main process, and log the scores; return them in every process."""
        assert self.scoring  # noqa: S101 - the callers have checked it
        scores = from_main_process(self.scoring.score(system, self.accelerator.device) if self.is_main else {})
        if self.log:
            self.log.write_scores(self.progress.step, name, scores, trained=trained)
        self.display.show_scores(name, scores)
        return scores

    def _batches(self) -> Iterator[Batch]:
        """The batches of the remaining steps. The time that is spent waiting for each is counted."""
        if self._is_over():
            return
        batches = iter(self.setup.batches(self.progress.step))
        while True:
            start = time.monotonic()
            batch = next(batches, None)
            if batch is None:
                return
            self.throughput.count_step(time.monotonic() - start)
            yield batch

    def _record(self, result: StepResult) -> None:
        if self.log:
            self.log.write_step(self.progress.step, self._epoch, result, self.throughput)
        self.display.show_step(result)

    def _divergence(self, result: StepResult, batch: Batch) -> UpscalerError:
        """The error that ends a run whose losses are not numbers any more."""
        causes = ", ".join(name for name, value in result.losses.items() if not math.isfinite(value)) or "the gradient"
        last = self.folder / "last"
        weights = f"{last} holds the last good weights" if last.is_dir() else "none is saved"
        return UpscalerError(
            f"{causes} is not a number in {MAX_BAD_STEPS} steps in a row, up to step {self.progress.step} with excerpts "
            f"of {', '.join(sorted(set(batch.sources)))}; {weights}: lower optimizer.learning_rate, or look at these "
            "files"
        )

    @property
    def _epoch(self) -> int:
        """The epoch of the last step, from 1."""
        return (self.progress.step - 1) // self.setup.steps_per_epoch + 1

    def _score_and_write_weights(self) -> None:
        """End an epoch: score as often as the recipe says; write the weights into `last/`, and the best into `best/`."""
        self.display.show_epoch_end()
        start = time.monotonic()
        if self.scoring and (self._epoch % self.recipe.scoring.every == 0 or self._is_over()):
            self.scores = self._score(f"epoch {self._epoch}", self.trainer.averaged, trained=True)
            score = mean_score(self.scores)
            if self.scoring.is_better(score, self.progress.best):
                self.progress.best, self.progress.best_epoch, self.progress.stale = score, self._epoch, 0
                self._write_weights("best")
            else:
                self.progress.stale += 1
        self._write_weights("last")
        self.throughput.pause(time.monotonic() - start)

    def _write_weights(self, name: str) -> None:
        """Write the averaged weights, and a pipeline that uses them, into one of the run's subfolders."""
        if not self.is_main:
            return
        sources, licences = provenance(recording.source for recording in self.setup.excerpts.recordings)
        entries = [entry for entry in read_log(self.folder) if entry["kind"] == "score"]
        untrained = {entry["name"]: entry["scores"] for entry in entries if not entry["trained"]}
        scores = {"metric": self.recipe.metric.use, **untrained, "this": self.scores} if self.scores else {}
        facts = {"training": self._facts(), "data": sources, "licences": licences, "scores": scores}
        write_weights(self.folder / name, self.recipe, self.trainer.averaged, facts)

    def _facts(self) -> dict[str, Any]:
        """What a checkpoint's card and the report say about the training."""
        excerpts, setup = self.progress.step * self.recipe.batch, self.setup
        return {
            "recipe": hashlib.sha256(recipe_yaml(self.recipe).encode()).hexdigest(),
            "steps": self.progress.step,
            "epoch": self._epoch,
            "excerpts": excerpts,
            "audio_hours": round(excerpts * setup.excerpts.samples / setup.excerpts.rate / 3600, 3),
            "wall_hours": round(self._total_seconds / 3600, 3),
        }

    @property
    def _total_seconds(self) -> float:
        """Wall clock of all sessions so far."""
        return self.seconds_before + self.throughput.elapsed

    def _save_is_due(self) -> bool:
        return time.monotonic() - self.last_save >= 60 * self.recipe.save_minutes

    def _save(self) -> None:
        """Save the state, from which the run can go on."""
        self.last_save = time.monotonic()
        self.progress.seconds = self._total_seconds
        scaler = self.accelerator.scaler
        facts = {"progress": asdict(self.progress), "scaler": scaler.state_dict() if scaler else None}
        tensors = trainer_tensors(self.trainer)
        if self.is_main:
            save_state(self.folder / STATE, tensors, facts)

    def _restore(self) -> None:
        """Go on from the saved state."""
        path = self.folder / STATE
        tensors, facts = load_state(path)
        try:
            self.progress = TypeAdapter(TrainingProgress).validate_json(json.dumps(facts["progress"]), strict=True)
            restore_trainer(self.trainer, tensors)
            if self.accelerator.scaler and facts["scaler"]:
                self.accelerator.scaler.load_state_dict(facts["scaler"])
        except DAMAGE as error:
            raise damaged_state(path, error) from None

    def _is_over(self) -> bool:
        """Whether all steps are done, or the recipe's patience is at its end."""
        patience = self.recipe.patience
        return self.progress.step >= self.setup.steps or bool(patience and self.progress.stale >= patience)

    def _write_report(self) -> None:
        facts, metric = self._facts(), self.recipe.metric.use
        if self.progress.best is not None:
            facts["best"] = f"{metric} {self.progress.best:.3f} after epoch {self.progress.best_epoch}"
        signals = self.scoring.example(self.trainer.averaged, self.accelerator.device) if self.scoring else {}
        write_report(self.folder, facts, metric, signals, self.setup.excerpts.rate)
