"""The recipe of a search: a training recipe with a space, and from it the recipe of each trial."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import create_model

from upscaler_core import Kind, Registry, discover, option
from upscaler_core.files import atomic_write
from upscaler_core.pipeline import Fault, Spec
from upscaler_tune.space import Range, Space, parameter

ANYWHERE = ("data", "plugins", "workers", "save_minutes")
"""Keys that may differ between the hosts of a study, and from one day to the next."""


class Searched(Spec):
    """What a search asks of a training recipe beyond its own form."""

    search: dict[str, Range | None] = option({}, help="options to search, by their paths, each with what to draw from")

    def faults(self) -> Iterator[Fault]:
        """Paths that lead nowhere, ranges that do not fit, and nothing to score on."""
        yield from super().faults()
        if not cast(Any, self).data.validation:
            yield Fault(("data",), "a search needs recordings to score on: add data.validation")
        for name, drawn in self.search.items():
            try:
                parameter(self, name, drawn or Range(), discover())
            except ValueError as error:
                yield Fault(("search", name), str(error))


def form_of_search(registry: Registry) -> type[Any]:
    """The form of a training recipe, as the command that trains declares it, with the space and its checks."""
    form: type[Spec] = registry.build(Kind.COMMAND, "train").form
    return create_model("Search", __base__=(Searched, form))


def facts(spec: Spec, space: Space) -> dict[str, Any]:
    """What every process of one study must agree on, as JSON holds it."""
    from optuna.distributions import distribution_to_json

    recipe = spec.model_dump(mode="json", exclude=set(ANYWHERE))
    return recipe | {"search": {name: distribution_to_json(p.distribution) for name, p in space.items()}}


def write_recipe(path: Path, spec: Spec, base: Path, space: Space, values: Mapping[str, Any]) -> None:
    """Write a training recipe with some values of the space.

    Args:
        path: where to; anywhere, since the paths within become absolute.
        spec: the checked recipe of the search.
        base: where its paths begin.
        space: where each value goes.
        values: by the names of the space.
    """
    recipe = spec.model_dump(mode="json", exclude_unset=True, exclude={"search"})
    whole = spec.model_dump(mode="json")
    for name, value in values.items():
        for place in space[name].places:
            recipe.setdefault(str(place[0]), whole[str(place[0])])
            _set(recipe, place, value)
    _make_absolute(recipe, base)
    with atomic_write(path) as part:
        part.write_text(yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _set(recipe: Any, place: tuple[int | str, ...], value: Any) -> None:
    for step in place[:-1]:
        recipe = recipe[step]
    recipe[place[-1]] = value


def _make_absolute(recipe: dict[str, Any], base: Path) -> None:
    """Make the paths within a recipe independent of its place."""
    data = recipe["data"]
    for key in ("train", "validation"):
        data[key] = [_absolute(base, given) for given in data[key]]
    if data.get("cache"):
        data["cache"] = _absolute(base, data["cache"])
    for use in recipe["models"].values():
        if isinstance(use.get("checkpoint"), str) and Path(use["checkpoint"]).is_file():
            use["checkpoint"] = _absolute(Path(), use["checkpoint"])


def _absolute(base: Path, given: str) -> str:
    return str((base / Path(given).expanduser()).absolute())
