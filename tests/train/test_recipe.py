"""Recipes: the examples, the page on them, and which recipe a folder can go on with."""

from __future__ import annotations

import re

import pytest
from conftest import ROOT

from upscaler_core import discover
from upscaler_core.pipeline import load_form
from upscaler_train.recipe import RecipeSpec
from upscaler_train.run_setup import build_models
from upscaler_train.training_system import Objective


@pytest.mark.parametrize("path", sorted((ROOT / "examples" / "recipes").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_example_recipe_is_right(path):
    recipe = load_form(path, RecipeSpec, discover())
    objective = Objective(recipe.losses, build_models(recipe, discover()), discover())
    assert set(objective.losses) == {loss.use for loss in recipe.losses}
    assert objective.losses or objective.models


def test_the_page_on_recipes_knows_every_key():
    page = (ROOT / "docs" / "training.md").read_text()
    keys = {"version", *re.findall(r"`([a-z_.]+)`", page.split("## The recipe")[1].split("## What happens")[0])}
    assert set(RecipeSpec.model_fields) <= keys | {"data"}


def test_faults_of_a_recipe_have_their_place(training):
    training.write(lambda recipe: recipe.update(batches=3, fusion={"use": "blent"}, patience=1))
    done = training()
    assert done.returncode == 3
    assert "batches: unknown key; did you mean 'batch'?" in done.stderr
    assert "fusion.use: there is no fusion 'blent'; did you mean 'blend'?" in done.stderr
    assert done.stderr.count("recipe.yaml:") == 2
    assert not (training.folder / "run").exists()


@pytest.mark.slow
def test_a_folder_goes_on_only_with_its_own_recipe(training):
    assert training("--epochs", "1").returncode == 0
    again = training()
    assert again.returncode == 2
    assert "add --resume to go on with it" in again.stderr
    other = training("--resume", "--set", "seed=1")
    assert other.returncode == 2
    assert "seed changed" in other.stderr
    further = training("--resume", "--epochs", "2")
    assert further.returncode == 0, further.stderr
    assert len(training.steps()) == 8
