"""What a run keeps: a checkpoint of each model, with its card, and a pipeline file that uses them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from upscaler_core import Kind, ModelOptions, Registry, UsageError
from upscaler_core.files import atomic_write
from upscaler_core.models import Card, write_checkpoint
from upscaler_core.pipeline import ComponentRef
from upscaler_train.recipe import RecipeSpec
from upscaler_train.system import System

PIPELINE = "pipeline.yaml"
CEILING_DB = -1.0
"""White paper §6.3."""


def build_models(recipe: RecipeSpec, registry: Registry) -> dict[str, Any]:
    """The recipe's models. Those with weights begin untrained, unless a checkpoint is named.

    Raises:
        UpscalerError: a model cannot be built.
    """
    return {name: registry.model(use.use, **_options(recipe, use, registry)) for name, use in recipe.models.items()}


def _options(recipe: RecipeSpec, use: ComponentRef, registry: Registry) -> dict[str, Any]:
    if not issubclass(registry.find(Kind.MODEL, use.use).component.options, ModelOptions):
        return use.options
    precision = recipe.precision if recipe.precision in ("float32", "bfloat16") else "auto"
    return {"checkpoint": "none", "precision": precision, **use.options}


def write_weights(folder: Path, recipe: RecipeSpec, system: System, facts: Mapping[str, Any]) -> None:
    """Write checkpoints and pipeline file, each whole or not at all.

    Args:
        folder: where to.
        recipe: says which component each model is.
        system: the weights.
        facts: the cards' further fields: `training`, `data`, `licences`, `scores`.
    """
    for name, module in system.trained.items():
        card = Card(component=recipe.models[name].use, options=_shape(name, module), rate=system.rate, **facts)
        write_checkpoint(folder / f"{name}.safetensors", module.state_dict(), card)
    with atomic_write(folder / PIPELINE) as part:
        part.write_text(yaml.safe_dump(_pipeline(recipe, system), sort_keys=False))


def _pipeline(recipe: RecipeSpec, system: System) -> dict[str, Any]:
    models = {
        name: {"use": use.use, "checkpoint": f"{name}.safetensors"} if name in system.trained else use.model_dump()
        for name, use in recipe.models.items()
    }
    return {
        "version": 1,
        **({"plugins": recipe.plugins} if recipe.plugins else {}),
        "models": models,
        "fusion": recipe.fusion.model_dump() if recipe.fusion else None,
        "stereo": "mid-side" if recipe.channels == "mid-side" else "independent",
        "keep_source_band": recipe.keep_source_band,
        "finish": [{"use": "limiter", "ceiling_db": CEILING_DB}],
    }


def _shape(name: str, module: Any) -> dict[str, Any]:
    options = getattr(module, "options", None)
    if not isinstance(options, ModelOptions):
        raise UsageError(f"the model '{name}' cannot be kept: it has no attribute 'options' of type ModelOptions")
    return options.shape()
