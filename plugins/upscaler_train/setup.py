"""From a recipe to the objects that a run is made of."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.utils.data import DataLoader

from upscaler_core import Registry, UsageError
from upscaler_core.models import choose_device, fast_at_bfloat16
from upscaler_core.pipeline import EnhancementStep
from upscaler_train import distributed
from upscaler_train.display import Display
from upscaler_train.excerpts import Excerpt, Excerpts, collate
from upscaler_train.interrupt import ignore_interrupts
from upscaler_train.objective import Objective
from upscaler_train.recipe import RecipeSpec
from upscaler_train.recordings import Cache, Recording, audio_files, default_folder
from upscaler_train.scoring import Scoring
from upscaler_train.step import Trainer
from upscaler_train.system import System
from upscaler_train.weights import build_models

if TYPE_CHECKING:
    from accelerate import Accelerator

PREFETCH = 4
"""Batches that each worker prepares ahead (white paper §4.1)."""
MOST_WORKERS = 4


@dataclass(frozen=True)
class Setup:
    """Everything that a run is made of."""

    recipe: RecipeSpec
    registry: Registry
    accelerator: Accelerator
    trainer: Trainer
    excerpts: Excerpts
    scoring: Scoring | None
    an_epoch: int
    """Steps."""
    steps: int
    """Of the whole training."""

    def batches(self, first: int) -> DataLoader[Excerpt]:
        """This process's share of all steps from one on, across epochs, so that no epoch begins by waiting."""
        share = self.recipe.batch // self.accelerator.num_processes
        place = share * self.accelerator.process_index
        firsts = [step * self.recipe.batch + place for step in range(first, self.steps)]
        workers = _workers(self.recipe)
        return DataLoader(
            self.excerpts,
            batch_sampler=[list(range(n, n + share)) for n in firsts],
            collate_fn=collate,
            num_workers=workers,
            prefetch_factor=PREFETCH if workers else None,
            pin_memory=self.accelerator.device.type == "cuda",
            worker_init_fn=ignore_interrupts,
        )


def set_up(recipe: RecipeSpec, base: Path, device: str, registry: Registry, display: Display) -> Setup:
    """Build everything that a recipe names, and decode what is not yet decoded.

    Args:
        recipe: checked.
        base: where its paths begin.
        device: `auto`, `cpu` or `cuda`.
        registry: where components are found.
        display: shows how far it is.

    Raises:
        UpscalerError: something cannot be built, or there is nothing to train on.
    """
    accelerator = _accelerator(choose_device(device), recipe.precision)
    _refuse_uneven(recipe, accelerator.num_processes)
    torch.manual_seed(recipe.seed)
    models = build_models(recipe, registry)
    step = EnhancementStep(
        models,
        registry.fusion(recipe.fusion.use, **recipe.fusion.options) if recipe.fusion else None,
        "mid-side" if recipe.channels == "mid-side" else "independent",
        recipe.keep_source_band,
    )
    system, length_multiple = System(step, recipe.seed), step.length_multiple
    objective = Objective(recipe.losses, models, registry)
    if objective.adversaries and accelerator.distributed_type == "FSDP":
        raise UsageError(
            f"{', '.join(objective.adversaries)} is not supported with FSDP: leave it out, or use MULTI_GPU"
        )
    an_epoch = max(1, recipe.excerpts // recipe.batch)
    trainer = Trainer(recipe, system, objective, accelerator, an_epoch * recipe.epochs)
    with accelerator.local_main_process_first():
        train, validation = _recordings(recipe, base, system, registry, display)
    excerpts = Excerpts(recipe, train, system.rate, _whole(recipe.seconds * system.rate, length_multiple))
    scoring = _scoring(recipe, validation, system.rate, length_multiple, registry) if validation else None
    return Setup(recipe, registry, accelerator, trainer, excerpts, scoring, an_epoch, an_epoch * recipe.epochs)


def _accelerator(device: str, precision: str) -> Accelerator:
    if precision == "float16" and device == "cpu":
        raise UsageError("float16 is slow on a CPU: write precision: bfloat16, or auto")
    if precision == "auto":
        precision = "float16" if device == "cuda" else "bfloat16" if fast_at_bfloat16() else "float32"
    mixed = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}[precision]
    return distributed.accelerator(device, mixed)


def _refuse_uneven(recipe: RecipeSpec, count: int) -> None:
    """Refuse shares of a step that are not equal: the mean of their losses is not that of the step."""
    parts = count * recipe.accumulate
    if recipe.batch % parts:
        raise UsageError(
            f"batch: {recipe.batch} excerpts cannot be shared evenly, processes × accumulate being {count} × "
            f"{recipe.accumulate}: write a multiple of {parts}"
        )


def _recordings(
    recipe: RecipeSpec, base: Path, system: System, registry: Registry, display: Display
) -> tuple[list[Recording], list[Recording]]:
    """The decoded recordings to train on, and to score on."""
    data = recipe.data
    folder = base / Path(data.cache).expanduser() if data.cache else default_folder()
    resample = registry.resampler(recipe.resampler.use, **recipe.resampler.options)
    cache = Cache(folder, data.cache_gib * 2**30, system.rate, resample, registry, system.other_rates)
    train, validation = (audio_files(patterns, base, registry) for patterns in (data.train, data.validation))
    if both := set(train) & set(validation):
        raise UsageError(f"{min(both)} is to be trained on and scored on: take it out of one of the two")
    paths = [*train, *validation]
    found = list(display.track(cache.recordings(paths, display.warn), len(paths), "decoding"))
    parts = found[: len(train)], found[len(train) :]
    usable = [[recording for recording in part if recording] for part in parts]
    if not usable[0]:
        raise UsageError("none of the recordings to train on can be used")
    return usable[0], usable[1]


def _scoring(
    recipe: RecipeSpec, recordings: Sequence[Recording], rate: int, length_multiple: int, registry: Registry
) -> Scoring:
    return Scoring(
        recipe.scoring,
        recordings,
        registry.metric(recipe.metric.use, **recipe.metric.options),
        registry.resampler(recipe.resampler.use, **recipe.resampler.options),
        rate,
        _whole(recipe.scoring.seconds * rate, length_multiple),
        1 if recipe.channels == "mono" else 2,
    )


def _whole(samples: float, length_multiple: int) -> int:
    """The next whole number of granules."""
    return math.ceil(samples / length_multiple) * length_multiple


def _workers(recipe: RecipeSpec) -> int:
    if recipe.workers is not None:
        return recipe.workers
    return 0 if sys.platform == "win32" else min(MOST_WORKERS, os.cpu_count() or 1)
