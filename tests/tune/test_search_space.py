"""The values of a search: an option's own bounds, those of the recipe, and which of them are refused."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Float
from optuna.distributions import IntDistribution as Int

from upscaler_core import Component, Kind, Options, Registry, hookimpl, option
from upscaler_core.pipeline import ComponentRef, Spec
from upscaler_tune.search_space import Range, parameter, search_space


class NetOptions(Options):
    width: Literal[16, 32, 64] = option(32, help="channels")
    depth: int = option(4, gt=2, le=5, help="layers")
    share: float = option(0.5, ge=0, le=1, help="kept")
    slope: float | None = option(None, gt=0, le=1, help="of the activation")
    gated: bool = option(True, help="with a gate")
    name: str = option("a", help="of it")


class OtherOptions(Options):
    depth: int = option(4, ge=1, le=9, help="layers")


class Weighted(ComponentRef):
    weight: float = 1.0


class Optimizer(Options):
    learning_rate: float = option(1e-4, gt=0, le=1, help="step size")


class Recipe(Spec):
    models: Annotated[dict[str, ComponentRef], Kind.MODEL] = option(help="models")
    losses: Annotated[list[Weighted], Kind.MODEL] = option([], help="weighted")
    optimizer: Optimizer = option(Optimizer(), help="numbers")
    batch: int = option(8, ge=1, le=4096, help="excerpts")


class Plugin:
    @hookimpl
    def upscaler_models(self):
        return [Component("net", "a:b", NetOptions), Component("other", "a:b", OtherOptions)]


REGISTRY = Registry(points=(), plugins={"nets": Plugin()})
RECIPE = Recipe.model_validate(
    {
        "version": 1,
        "models": {"one": {"use": "net"}, "two": {"use": "net"}, "three": {"use": "other"}},
        "losses": [{"use": "net", "weight": 0.5}],
    }
)


@pytest.mark.parametrize(
    ("name", "value_range", "distribution"),
    [
        ("models.one.width", {}, Choice((16, 32, 64))),
        ("models.one.depth", {}, Int(3, 5)),
        ("models.one.depth", {"high": 4}, Int(3, 4)),
        ("models.one.share", {}, Float(0, 1)),
        ("models.one.share", {"step": 0.25}, Float(0, 1, step=0.25)),
        ("models.one.slope", {"low": 0.1, "log": True}, Float(0.1, 1, log=True)),
        ("models.one.gated", {}, Choice((False, True))),
        ("models.one.name", {"choices": ["a", "b"]}, Choice(("a", "b"))),
        ("losses.0.weight", {"low": 0.1, "high": 1}, Float(0.1, 1)),
        ("optimizer.learning_rate", {"choices": ["1e-4", 0.001]}, Choice((1e-4, 1e-3))),
        ("batch", {"low": 4, "high": 16, "step": 4}, Int(4, 16, step=4)),
        ("batch", {"high": 64, "log": True}, Int(1, 64, log=True)),
    ],
)
def test_the_distribution_of_an_option(name, value_range, distribution):
    result = parameter(RECIPE, name, Range(**value_range), REGISTRY)
    assert result.distribution == distribution
    assert [".".join(map(str, path)) for path in result.key_paths] == [name]


@pytest.mark.parametrize(
    ("name", "value_range", "message"),
    [
        ("models.one.slope", {}, "no low end of its own"),
        ("models.one.name", {}, r"write \{choices"),
        ("models.one.width", {"choices": [16, 17]}, "17 must be 16, 32 or 64"),
        ("models.one.depth", {"low": 3.5}, "3.5 must be a valid integer"),
        ("models.one.share", {"step": 0.3}, "no whole number of steps"),
        ("models.one.share", {"log": True}, "low must be above 0"),
        ("models.one.share", {"choices": [0.1], "low": 0}, "either choices"),
        ("models.one.use", {"choices": ["net"]}, "there is no 'use'"),
        ("models.one", {}, "'one' is not one option but several"),
        ("models", {}, "'models' is not one option but several"),
        ("models.*", {}, "stands for names"),
        ("models.*.breadth", {}, "there is no 'breadth'"),
        ("models.*.depth", {}, "different bounds"),
        ("losses.1.weight", {}, "there is no '1' to search in losses"),
        ("batch.size", {}, "there is no"),
    ],
)
def test_what_cannot_be_searched_is_an_error(name, value_range, message):
    with pytest.raises(ValueError, match=message):
        parameter(RECIPE, name, Range(**value_range), REGISTRY)


def test_a_star_draws_one_value_for_all_that_have_the_option():
    result = parameter(RECIPE, "models.*.width", Range(), REGISTRY)
    assert result.key_paths == (("models", "one", "width"), ("models", "two", "width"))


def test_without_ranges_the_white_papers_space_as_far_as_it_fits():
    space = search_space(RECIPE, {}, REGISTRY)
    assert {name: parameter.distribution for name, parameter in space.items()} == {
        "optimizer.learning_rate": Float(1e-4, 1e-3, log=True),
        "batch": Choice((4, 8, 16)),
    }
