"""A training run from its beginning, or from where it stopped, to its report."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor

from upscaler_core import Interrupt, UpscalerError, UsageError
from upscaler_core.files import atomic_write
from upscaler_core.pipeline import EnhancementStep
from upscaler_train import state
from upscaler_train.display import Display
from upscaler_train.distributed import from_main, in_any
from upscaler_train.excerpts import Batch
from upscaler_train.logs import Log, entries
from upscaler_train.pace import Throughput
from upscaler_train.recipe import RecipeSpec
from upscaler_train.report import write_report
from upscaler_train.scoring import Scores, enhanced, mean
from upscaler_train.setup import Setup
from upscaler_train.sources import provenance
from upscaler_train.step import StepResult
from upscaler_train.system import System
from upscaler_train.weights import write_weights

RECIPE = "recipe.yaml"
BAD_STEPS = 10
"""So many steps in a row whose loss is not a number end a run."""
FREE = frozenset({"accumulate", "data", "epochs", "workers", "save_minutes", "patience", "scoring", "search"})
"""Keys that may change before a run goes on. The recordings, too: more of them may have come."""


@dataclass
class Progress:
    """How far a run is."""

    step: int = 0
    bad: int = 0
    """Steps in a row that were not applied."""
    best: float | None = None
    """The best mean score."""
    best_epoch: int = 0
    stale: int = 0
    """Scorings since the best one."""
    seconds: float = 0.0
    """Wall clock of all sessions."""


class Run:
    """A run in its folder; `go()` until it is over.

    Args:
        setup: what it is made of.
        folder: where everything that it writes goes.
        display: shows what happens.
    """

    def __init__(self, setup: Setup, folder: Path, display: Display) -> None:
        self.setup, self.recipe, self.folder, self.display = setup, setup.recipe, folder, display
        self.trainer, self.scoring = setup.trainer, setup.scoring
        self.main = setup.accelerator.is_main_process
        self.progress = Progress()
        self.scores: Scores = {}
        if self.main:
            with atomic_write(folder / RECIPE) as part:
                part.write_text(dumped(self.recipe), encoding="utf-8")
        self._restore()
        self.first = self.progress.step
        self.before = self.progress.seconds
        self.log = Log(folder, self.first) if self.main else None
        self.pace = Throughput(self.first, setup.steps, self.recipe.batch)
        self.saved = time.monotonic()

    def _restore(self) -> None:
        path = self.folder / state.FILE
        if path.is_file():
            tensors, facts = state.load_state(path)
            self.trainer.restore(tensors)
            self.progress = Progress(**facts["progress"])
            if self.setup.accelerator.scaler and facts["scaler"]:
                self.setup.accelerator.scaler.load_state_dict(facts["scaler"])

    def go(self) -> bool:
        """Train to the end; False where it was interrupted, and everything saved.

        Raises:
            UpscalerError: the losses are no numbers any more.
        """
        self.display.begin(self._title(), self.recipe.metric.use, self.pace, self.setup.an_epoch)
        try:
            if self.first:
                self._recall_scores()
            elif self.scoring:
                self._score_untrained()
            with Interrupt() as interrupt:
                self._train(interrupt)
        finally:
            if self.log:
                self.log.close()
        if not self._is_over():
            return False
        if self.main:
            self._report()
        return True

    def _train(self, interrupt: Interrupt) -> None:
        for batch in self._batches():
            self._step(batch)
            ended = self.progress.step % self.setup.an_epoch == 0
            if ended:
                self._end_epoch()
            interrupted, due = in_any(self.setup.accelerator, interrupt.asked, self._save_is_due())
            if ended or interrupted or due:
                self._save()
            if interrupted or self._is_over():
                break

    def _is_over(self) -> bool:
        patience = self.recipe.patience
        return self.progress.step >= self.setup.steps or bool(patience and self.progress.stale >= patience)

    def _batches(self) -> Iterator[Batch]:
        """The batches from here on; the pace is told how long each was waited for."""
        if self._is_over():
            return
        batches = iter(self.setup.batches(self.progress.step))
        while True:
            began = time.monotonic()
            batch = next(batches, None)
            if batch is None:
                return
            self.pace.step(time.monotonic() - began)
            yield batch

    def _step(self, batch: Batch) -> None:
        taken = self.trainer.step(self.progress.step, batch)
        self.progress.step += 1
        self.progress.bad = 0 if taken.applied else self.progress.bad + 1
        if self.log:
            losses = {f"loss/{name}": value for name, value in {**taken.losses, "all": taken.total}.items()}
            critics = {f"critic/{name}": value for name, value in taken.critics.items()}
            numbers = {"gradient": taken.gradient, "learning_rate": taken.learning_rate}
            speed = {"excerpts_per_second": self.pace.speed, "waiting_for_data": self.pace.waiting}
            curves = {**losses, **critics, **numbers, **speed}
            self.log.write("step", self.progress.step, curves, epoch=self._epoch, **asdict(taken))
        self.display.step(taken)
        if self.progress.bad >= BAD_STEPS:
            self._give_up(taken, batch)

    def _give_up(self, taken: StepResult, batch: Batch) -> None:
        wrong = [name for name, value in taken.losses.items() if value != value or abs(value) == float("inf")]
        said = ", ".join(wrong) if wrong else "the gradient"
        kept = (
            f"{self.folder / 'last'} holds the last good weights"
            if (self.folder / "last").is_dir()
            else "none is saved"
        )
        raise UpscalerError(
            f"{said} is not a number in {BAD_STEPS} steps in a row, up to step {self.progress.step} with excerpts of "
            f"{', '.join(sorted(set(batch.sources)))}; {kept}: lower optimizer.learning_rate, or look at these files"
        )

    @property
    def _epoch(self) -> int:
        """The epoch of the last step, from 1."""
        return (self.progress.step - 1) // self.setup.an_epoch + 1

    def _end_epoch(self) -> None:
        """Score, and keep the weights."""
        self.display.epoch_ended()
        began = time.monotonic()
        if self.scoring and (self._epoch % self.recipe.scoring.every == 0 or self._is_over()):
            self.scores = self._score(f"epoch {self._epoch}", self.trainer.averaged, trained=True)
            self._judge(mean(self.scores))
        self._keep("last")
        self.pace.pause(time.monotonic() - began)

    def _judge(self, score: float) -> None:
        if self.scoring and self.scoring.better(score, self.progress.best):
            self.progress.best, self.progress.best_epoch, self.progress.stale = score, self._epoch, 0
            self._keep("best")
        else:
            self.progress.stale += 1

    def _recall_scores(self) -> None:
        for entry in entries(self.folder):
            if entry["kind"] == "score":
                self.scores = entry["scores"]
                self.display.recall(entry["name"], entry["scores"])

    def _score_untrained(self) -> None:
        """What doing nothing, having learned nothing, and the first weights come to."""
        use = self.recipe.reference
        reference = System(EnhancementStep({use.use: self.setup.registry.model(use.use, **use.options)}))
        self._score("input", None, trained=False)
        self._score(use.use, reference.to(self.setup.accelerator.device), trained=False)
        self._score("start", self.trainer.averaged, trained=True)

    def _score(self, name: str, system: System | None, *, trained: bool) -> Scores:
        assert self.scoring  # noqa: S101 - who calls has seen to it
        scores = from_main(self.scoring.of(system, self.setup.accelerator.device) if self.main else {})
        if self.log:
            curves = {f"score/{cutoff} Hz": score for cutoff, score in scores.items()} if trained else {}
            self.log.write("score", self.progress.step, curves, name=name, trained=trained, scores=scores)
        self.display.scored(name, scores)
        return scores

    def _save_is_due(self) -> bool:
        return time.monotonic() - self.saved >= 60 * self.recipe.save_minutes

    def _save(self) -> None:
        """Save all that it takes to go on from here."""
        self.saved = time.monotonic()
        self.progress.seconds = self.before + self.pace.elapsed
        scaler = self.setup.accelerator.scaler
        facts = {"progress": asdict(self.progress), "scaler": scaler.state_dict() if scaler else None}
        tensors = self.trainer.tensors()
        if self.main:
            state.save_state(self.folder / state.FILE, tensors, facts)

    def _keep(self, name: str) -> None:
        """Write the averaged weights and a pipeline that uses them into a folder of the run's."""
        if not self.main:
            return
        sources, licences = provenance(recording.source for recording in self.setup.excerpts.recordings)
        untrained = {e["name"]: e["scores"] for e in entries(self.folder) if e["kind"] == "score" and not e["trained"]}
        scores = {"metric": self.recipe.metric.use, **untrained, "this": self.scores} if self.scores else {}
        facts = {"training": self._facts(), "data": sources, "licences": licences, "scores": scores}
        write_weights(self.folder / name, self.recipe, self.trainer.averaged, facts)

    def _facts(self) -> dict[str, Any]:
        """What a card and the report say of the training."""
        seen = self.progress.step * self.pace.batch
        seconds = self.before + self.pace.elapsed
        return {
            "recipe": hashlib.sha256(dumped(self.recipe).encode()).hexdigest(),
            "steps": self.progress.step,
            "epoch": self._epoch,
            "excerpts": seen,
            "audio_hours": round(seen * self.setup.excerpts.samples / self.setup.excerpts.rate / 3600, 3),
            "wall_hours": round(seconds / 3600, 3),
        }

    def _title(self) -> str:
        weights = sum(p.numel() for p in self.trainer.parameters)
        accelerator = self.setup.accelerator
        precision = {"no": "float32", "bf16": "bfloat16", "fp16": "float16"}[str(accelerator.mixed_precision)]
        goes_on = f" · goes on at step {self.first:,}" if self.first else ""
        return (
            f"{self.folder} · {weights:,} weights · {accelerator.device.type} {precision} · "
            f"{len(self.setup.excerpts.recordings)} recordings{goes_on}"
        )

    def _report(self) -> None:
        facts = self._facts()
        if self.progress.best is not None:
            facts["best"] = f"{self.recipe.metric.use} {self.progress.best:.3f} after epoch {self.progress.best_epoch}"
        write_report(self.folder, facts, self.recipe.metric.use, self._pictures(), self.setup.excerpts.rate)

    def _pictures(self) -> dict[str, Tensor]:
        """A validation clip at the middle cut-off: the input, restored, and the recording."""
        if not self.scoring:
            return {}
        clip, cutoff = self.scoring.clips[0], self.scoring.cutoffs[len(self.scoring.cutoffs) // 2]
        restored = enhanced(self.trainer.averaged, clip.inputs[cutoff], cutoff, self.setup.accelerator.device)
        return {
            f"input, to {cutoff / 1000:g} kHz": clip.inputs[cutoff][0, 0],
            "restored": restored[0, 0],
            f"recording ({Path(clip.source).name})": clip.target[0, 0],
        }


def dumped(recipe: RecipeSpec) -> str:
    """A recipe as YAML, with all that its file left out."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def refuse_other(folder: Path, recipe: RecipeSpec, resume: bool) -> None:
    """Refuse a folder that holds another run than the one to go on with.

    Raises:
        UsageError: a run is there and `resume` was not asked for, or it began with another recipe.
    """
    path = folder / RECIPE
    if not path.exists():
        return
    if not resume:
        raise UsageError(f"{folder} holds a run: add --resume to go on with it, or name another folder by --out")
    former, now = yaml.safe_load(path.read_text(encoding="utf-8")), recipe.model_dump(mode="json")
    former = RecipeSpec.model_construct().model_dump(mode="json") | former  # it may be older than one of the keys
    changed = [key for key in now if key not in FREE and now[key] != former.get(key)]
    if changed:
        raise UsageError(
            f"the recipe is not the one that {folder} began with: {', '.join(changed)} changed; "
            "set it back, or begin another run by --out"
        )
