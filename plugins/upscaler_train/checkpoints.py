"""What a run writes to go on from, and for others to use: the training's state, and the averaged weights with a pipeline.

The state is tensors and facts in one safetensors file, which is written completely or not at all. What is random in a
step follows from the seed and the step's number, and so does the learning rate. So neither random generators nor
schedules have a state.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor
from torch.optim import Optimizer

from upscaler_core import InputError, ModelOptions, UsageError
from upscaler_core.files import atomic_write
from upscaler_core.models import Card, write_checkpoint
from upscaler_train.distributed import distribute_like, full_tensor
from upscaler_train.recipe import RecipeSpec
from upscaler_train.step import Trainer
from upscaler_train.training_system import System

STATE = "state.safetensors"
PIPELINE = "pipeline.yaml"
DAMAGE = (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError)
"""Errors that show damage in what was read. torch raises RuntimeError for shapes that do not fit."""
CEILING_DB = -1.0
"""The limiter's ceiling in the pipeline file (white paper §6.3)."""


def save_state(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors, and facts that JSON can hold."""
    from safetensors.torch import save

    copies = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    data = save(copies, {"facts": json.dumps(facts)})
    with atomic_write(path) as part:
        part.write_bytes(data)


def load_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors and facts that `save_state` wrote.

    Raises:
        InputError: the file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["facts"])  # noqa: SIM118
    except (OSError, SafetensorError, *DAMAGE) as error:
        raise damaged_state(path, error) from None


def damaged_state(path: Path, error: Exception) -> InputError:
    """The error that tells of a damaged state."""
    reason = str(error).strip().splitlines()
    return InputError(
        f"{path} is damaged ({reason[0] if reason else type(error).__name__}): begin again with another --out"
    )


def trainer_tensors(trainer: Trainer) -> dict[str, Tensor]:
    """All weights, averages and optimizer moments, as full tensors. All processes must call this together."""
    tensors = {
        **add_prefix(trainer.unwrapped.state_dict(), "system"),
        **add_prefix(trainer.average.state_dict(), "average"),
        **add_prefix(optimizer_tensors(trainer.optimizer), "optimizer"),
    }
    for name, module in trainer.objective.adversaries.items():
        tensors |= add_prefix(module.state_dict(), f"adversary.{name}")
        tensors |= add_prefix(optimizer_tensors(trainer.critics[name][1]), f"critic.{name}")
    return {name: full_tensor(tensor) for name, tensor in tensors.items()}


def restore_trainer(trainer: Trainer, tensors: Mapping[str, Tensor]) -> None:
    """Put the tensors of `trainer_tensors` back into a trainer of the same recipe."""
    weights = trainer.unwrapped.state_dict()
    system = {name: distribute_like(t, weights[name]) for name, t in strip_prefix(tensors, "system").items()}
    trainer.unwrapped.load_state_dict(system)
    trainer.average.load_state_dict(strip_prefix(tensors, "average"))
    restore_optimizer(trainer.optimizer, strip_prefix(tensors, "optimizer"))
    for name, module in trainer.objective.adversaries.items():
        module.load_state_dict(strip_prefix(tensors, f"adversary.{name}"))
        restore_optimizer(trainer.critics[name][1], strip_prefix(tensors, f"critic.{name}"))


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """An optimizer's moments, by the parameter's number and the moment's name, such as `0.exp_avg`."""
    state = optimizer.state_dict()["state"]
    return {f"{index}.{name}": tensor for index, moments in state.items() for name, tensor in moments.items()}


def restore_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put the tensors of `optimizer_tensors` back."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        index, name = key.split(".")
        state.setdefault(int(index), {})[name] = distribute_like(tensor, parameters[int(index)])
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def add_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors with `prefix/` before their names."""
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def strip_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix/`, by the rest of their names."""
    return {name.removeprefix(f"{prefix}/"): t for name, t in tensors.items() if name.startswith(f"{prefix}/")}


def write_weights(folder: Path, recipe: RecipeSpec, system: System, facts: Mapping[str, Any]) -> None:
    """Write a checkpoint of each model, with its card, and a pipeline file that uses them. Each file is written atomically.

    Args:
        folder: where they are written.
        recipe: says which component each model is.
        system: the weights.
        facts: the cards' further fields: `training`, `data`, `licences`, `scores`.

    Raises:
        UsageError: a model has no options of type `ModelOptions`.
    """
    for name, module in system.trained.items():
        options = _model_options(name, module).shape()
        card = Card(component=recipe.models[name].use, options=options, rate=system.rate, **facts)
        write_checkpoint(folder / f"{name}.safetensors", module.state_dict(), card)
    with atomic_write(folder / PIPELINE) as part:
        part.write_text(yaml.safe_dump(_pipeline(recipe, system), sort_keys=False))


def _pipeline(recipe: RecipeSpec, system: System) -> dict[str, Any]:
    models = {
        name: {"use": model.use, "checkpoint": f"{name}.safetensors"} if name in system.trained else model.model_dump()
        for name, model in recipe.models.items()
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


def _model_options(name: str, module: Any) -> ModelOptions:
    options = getattr(module, "options", None)
    if not isinstance(options, ModelOptions):
        raise UsageError(f"the model '{name}' cannot be kept: it has no attribute 'options' of type ModelOptions")
    return options
