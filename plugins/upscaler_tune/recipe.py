"""The recipe of a search, which is a training recipe with a search space, and the recipes of its trials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import create_model

from upscaler_core import Kind, Registry, discover, option
from upscaler_core.files import atomic_write
from upscaler_core.pipeline import Fault, Spec
from upscaler_tune.search_space import KeyPath, Range, SearchSpace, parameter

HOST_KEYS = ("data", "plugins", "workers", "save_minutes")
"""Keys that may differ between the hosts of a study, and may change while it lasts."""


class SearchRecipe(Spec):
    """The key that a search adds to the form of a training recipe, and its checks."""

    search: dict[str, Range | None] = option({}, help="options to search, by their paths, each with what to draw from")

    def faults(self) -> Iterator[Fault]:
        """Paths of unknown options, ranges that do not fit their options, and a lack of recordings for scoring."""
        yield from super().faults()
        if not cast(Any, self).data.validation:
            yield Fault(("data",), "a search needs recordings to score on: add data.validation")
        for name, value_range in self.search.items():
            try:
                parameter(self, name, value_range or Range(), discover())
            except ValueError as error:
                yield Fault(("search", name), str(error))


def search_form(registry: Registry) -> type[Any]:
    """The form of a search's recipe: that of a training recipe, which the command `train` declares, with `SearchRecipe`."""
    form: type[Spec] = registry.build(Kind.COMMAND, "train").form
    return create_model("Search", __base__=(SearchRecipe, form))


def study_definition(spec: Spec, space: SearchSpace) -> dict[str, Any]:
    """The part of a recipe that must be the same in every process of a study, as JSON."""
    from optuna.distributions import distribution_to_json

    recipe = spec.model_dump(mode="json", exclude=set(HOST_KEYS))
    return recipe | {"search": {name: distribution_to_json(p.distribution) for name, p in space.items()}}


def write_recipe(path: Path, spec: Spec, base: Path, space: SearchSpace, values: Mapping[str, Any]) -> None:
    """Write the training recipe of a trial.

    Args:
        path: the file to write. It may lie in any folder, since the paths in the recipe become absolute.
        spec: the checked recipe of the search.
        base: the folder that relative paths in the recipe start from.
        space: the options of the search.
        values: their values in this trial, by name.
    """
    recipe = spec.model_dump(mode="json", exclude_unset=True, exclude={"search"})
    with_defaults = spec.model_dump(mode="json")
    for name, value in values.items():
        for key_path in space[name].key_paths:
            recipe.setdefault(str(key_path[0]), with_defaults[str(key_path[0])])
            _set(recipe, key_path, value)
    _make_absolute(recipe, base)
    with atomic_write(path) as part:
        part.write_text(yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _set(recipe: Any, key_path: KeyPath, value: Any) -> None:
    for key in key_path[:-1]:
        recipe = recipe[key]
    recipe[key_path[-1]] = value


def _make_absolute(recipe: dict[str, Any], base: Path) -> None:
    """Make the paths in a recipe independent of the folder that it lies in."""
    data = recipe["data"]
    for key in ("train", "validation"):
        data[key] = [_absolute(base, path) for path in data[key]]
    if data.get("cache"):
        data["cache"] = _absolute(base, data["cache"])
    for model in recipe["models"].values():
        if isinstance(model.get("checkpoint"), str) and Path(model["checkpoint"]).is_file():
            model["checkpoint"] = _absolute(Path(), model["checkpoint"])


def _absolute(base: Path, path: str) -> str:
    return str((base / Path(path).expanduser()).absolute())
