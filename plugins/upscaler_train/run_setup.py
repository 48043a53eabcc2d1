"""From a recipe to the objects that a training run is made of."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader

from upscaler_core import Kind, ModelOptions, Options, Registry, UsageError
from upscaler_core.models import choose_device, fast_at_bfloat16
from upscaler_core.pipeline import ComponentRef, EnhancementStep
from upscaler_core.plugins import validate
from upscaler_train.data.dataset import find_recordings
from upscaler_train.data.excerpts import Excerpt, Excerpts, collate
from upscaler_train.data.recordings import Recording, RecordingCache, default_folder
from upscaler_train.display import Display
from upscaler_train.distributed import create_accelerator, ignore_interrupts
from upscaler_train.recipe import RecipeSpec
from upscaler_train.scoring import Scoring
from upscaler_train.step import Trainer
from upscaler_train.training_system import Objective, System

if TYPE_CHECKING:
    from accelerate import Accelerator

PREFETCH = 4
"""Batches that each worker prepares ahead (white paper §4.1)."""
WORKER_SECONDS = 600
"""A batch for which the training waits longer is lost, and so the run ends."""
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - Linux's shared memory, of which only the size is asked
BYTES_PER_SAMPLE = 12
"""Of an excerpt's input and its target, as float32, and half as much for the rest."""
MAX_WORKERS = 4
"""Processes that prepare excerpts, if the recipe does not say how many."""


@dataclass(frozen=True)
class TrainingSetup:
    """Everything that a run is made of."""

    recipe: RecipeSpec
    registry: Registry
    accelerator: Accelerator
    trainer: Trainer
    excerpts: Excerpts
    scoring: Scoring | None
    """None if the recipe names no validation recordings."""
    steps_per_epoch: int
    steps: int
    """Of the whole training."""
    workers: int
    """Processes that prepare excerpts."""

    def batches(self, first_step: int) -> DataLoader[Excerpt]:
        """This process's share of all steps from one on. They run across epochs, so no epoch begins by waiting for data."""
        share = self.recipe.batch // self.accelerator.num_processes
        offset = share * self.accelerator.process_index
        first_excerpts = [step * self.recipe.batch + offset for step in range(first_step, self.steps)]
        workers = self.workers
        return DataLoader(
            self.excerpts,
            batch_sampler=[list(range(n, n + share)) for n in first_excerpts],
            collate_fn=collate,
            num_workers=workers,
            prefetch_factor=PREFETCH if workers else None,
            timeout=WORKER_SECONDS if workers else 0,
            pin_memory=self.accelerator.device.type == "cuda",
            worker_init_fn=ignore_interrupts,
        )


def set_up(recipe: RecipeSpec, base: Path, device: str, registry: Registry, display: Display) -> TrainingSetup:
    """Build everything that a recipe names, and decode recordings that are not yet decoded.

    Args:
        recipe: checked.
        base: the folder where its relative paths begin.
        device: `auto`, `cpu` or `cuda`.
        registry: where components are found.
        display: shows the progress of decoding.

    Raises:
        UpscalerError: something cannot be built, or there is nothing to train on.
    """
    accelerator = _accelerator(choose_device(device), recipe.precision)
    _refuse_uneven_shares(recipe, accelerator.num_processes)
    torch.manual_seed(recipe.seed)
    models = build_models(recipe, registry)
    step = EnhancementStep(
        models,
        registry.fusion(recipe.fusion.use, recipe.fusion.options) if recipe.fusion else None,
        "mid-side" if recipe.channels == "mid-side" else "independent",
        recipe.keep_source_band,
    )
    system, length_multiple = System(step, recipe.seed), step.length_multiple
    objective = Objective(recipe.losses, models, registry)
    if objective.adversaries and accelerator.distributed_type == "FSDP":
        raise UsageError(
            f"{', '.join(objective.adversaries)} is not supported with FSDP: leave it out, or use MULTI_GPU"
        )
    steps_per_epoch = max(1, recipe.excerpts // recipe.batch)
    steps = steps_per_epoch * recipe.epochs
    trainer = Trainer(recipe, system, objective, accelerator, steps)
    with accelerator.local_main_process_first():
        training, validation = _recordings(recipe, base, system, registry, display)
    excerpts = Excerpts(recipe, training, system.rate, _round_up(recipe.seconds * system.rate, length_multiple))
    scoring = _scoring(recipe, validation, system.rate, length_multiple, registry) if validation else None
    workers = _workers(recipe, recipe.batch // accelerator.num_processes * excerpts.samples, display)
    return TrainingSetup(recipe, registry, accelerator, trainer, excerpts, scoring, steps_per_epoch, steps, workers)


def _accelerator(device: str, precision: str) -> Accelerator:
    if precision == "float16" and device == "cpu":
        raise UsageError("float16 is slow on a CPU: write precision: bfloat16, or auto")
    if precision == "auto":
        precision = "float16" if device == "cuda" else "bfloat16" if fast_at_bfloat16() else "float32"
    mixed_precision = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}[precision]
    return create_accelerator(device, mixed_precision)


def _refuse_uneven_shares(recipe: RecipeSpec, processes: int) -> None:
    """Refuse parts of a step that are not of equal size: the mean of their losses would not be the loss of the step."""
    parts = processes * recipe.accumulate
    if recipe.batch % parts:
        raise UsageError(
            f"batch: {recipe.batch} excerpts cannot be shared evenly, processes × accumulate being {processes} × "
            f"{recipe.accumulate}: write a multiple of {parts}"
        )


def build_models(recipe: RecipeSpec, registry: Registry) -> dict[str, Any]:
    """The recipe's models. Those with weights begin untrained, unless the recipe names a checkpoint.

    Raises:
        UpscalerError: a model cannot be built.
    """
    return {
        name: registry.model(model.use, _model_options(recipe, model, registry))
        for name, model in recipe.models.items()
    }


def _model_options(recipe: RecipeSpec, model: ComponentRef, registry: Registry) -> Options:
    options = validate(registry.find(Kind.MODEL, model.use).component, model.options)
    precision = recipe.precision if recipe.precision in ("float32", "bfloat16") else "auto"
    defaults = {"checkpoint": "none", "precision": precision} if isinstance(options, ModelOptions) else {}
    unset = {name: value for name, value in defaults.items() if name not in options.model_fields_set}
    return options.model_copy(update=unset)


def _recordings(
    recipe: RecipeSpec, base: Path, system: System, registry: Registry, display: Display
) -> tuple[list[Recording], list[Recording]]:
    """The decoded recordings to train on, and those to score on."""
    data = recipe.data
    folder = base / Path(data.cache).expanduser() if data.cache else default_folder()
    resample = registry.resampler(recipe.resampler.use, recipe.resampler.options)
    cache = RecordingCache(folder, data.cache_gib * 2**30, system.rate, resample, registry, system.other_rates)
    training, validation = (find_recordings(patterns, base, registry) for patterns in (data.train, data.validation))
    if both := set(training) & set(validation):
        raise UsageError(f"{min(both)} is to be trained on and scored on: take it out of one of the two")
    paths = [*training, *validation]
    decoded = list(display.track(cache.recordings(paths, display.warn), len(paths), "decoding"))
    usable_training = [recording for recording in decoded[: len(training)] if recording]
    usable_validation = [recording for recording in decoded[len(training) :] if recording]
    if not usable_training:
        raise UsageError("none of the recordings to train on can be used")
    return usable_training, usable_validation


def _scoring(
    recipe: RecipeSpec, recordings: Sequence[Recording], rate: int, length_multiple: int, registry: Registry
) -> Scoring:
    return Scoring(
        recipe.scoring,
        recordings,
        registry.metric(recipe.metric.use, recipe.metric.options),
        registry.resampler(recipe.resampler.use, recipe.resampler.options),
        rate,
        _round_up(recipe.scoring.seconds * rate, length_multiple),
        1 if recipe.channels == "mono" else 2,
    )


def _round_up(samples: float, multiple: int) -> int:
    """The next multiple that is not below a number of samples.

    >>> _round_up(4_800.0, 256)
    4864
    """
    return math.ceil(samples / multiple) * multiple


def _workers(recipe: RecipeSpec, samples: int, display: Display) -> int:
    """How many processes prepare excerpts: none where shared memory, through which they hand them over, is too small.

    Args:
        recipe: may say how many.
        samples: in a batch, of one channel.
        display: shows the warning.
    """
    default = 0 if sys.platform == "win32" else min(MAX_WORKERS, os.cpu_count() or 1)
    workers = default if recipe.workers is None else recipe.workers
    channels = 1 if recipe.channels == "mono" else 2
    needed = workers * PREFETCH * samples * channels * BYTES_PER_SAMPLE
    free = _free_shared_memory()
    if free is not None and needed > free:
        display.warn(
            f"{SHARED_MEMORY} has {free >> 20} MiB, and {workers} processes that prepare excerpts may need "
            f"{needed >> 20} MiB: none is used; in a container, --shm-size makes it larger"
        )
        return 0
    return workers


def _free_shared_memory() -> int | None:
    """Bytes; None where there is no such folder."""
    try:
        status = os.statvfs(SHARED_MEMORY)
    except (AttributeError, OSError):
        return None
    return status.f_bavail * status.f_frsize
