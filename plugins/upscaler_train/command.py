"""`upscaler train` as it is typed; the work is imported when it is wanted."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import typer

from upscaler_core import MissingDependency, Options, discover, run_app
from upscaler_core.pipeline import Spec, load_form

INTERRUPTED = 130


class Train:
    """The command `train`."""

    def __init__(self, options: Options) -> None:
        pass

    def __call__(self, arguments: Sequence[str]) -> int:
        """Run with the words that follow its name; return the exit code."""
        code = run_app(train, "train", arguments)
        if "RANK" in os.environ:
            from upscaler_train.distributed import leave

            leave(code)
        return code

    @property
    def form(self) -> type[Spec]:
        """The recipe's form, for commands that make recipes."""
        from upscaler_train.recipe import RecipeSpec

        return RecipeSpec


def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE.yaml", help="A recipe file, see docs/training.md.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The run's folder. Default: runs/ and the recipe's name.", show_default=False),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on exactly where the run in that folder was stopped.")
    ] = False,
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, help="Epochs in all. Default: the recipe's.", show_default=False)
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a value of the recipe, such as optimizer.learning_rate=3e-4. May be repeated.",
            show_default=False,
        ),
    ] = None,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option("--device", help="Where to train.")] = "auto",
    allow_local_plugins: Annotated[
        bool, typer.Option("--allow-local-plugins", help="Run the Python files that the recipe names under 'plugins'.")
    ] = False,
) -> None:
    """Train models by a recipe file.

    The run's folder then holds best/ and last/, each with checkpoints and a pipeline.yaml that uses them, log.jsonl,
    tensorboard/, report.md, and what --resume needs to go on exactly where it was, even after a kill -9.
    """
    _need("accelerate", "tensorboard", "matplotlib")
    from upscaler_train.display import Display
    from upscaler_train.distributed import leaving_alike
    from upscaler_train.recipe import RecipeSpec
    from upscaler_train.run import Run, refuse_other
    from upscaler_train.setup import set_up

    registry = discover()
    changes = [*(settings or []), *([f"epochs={epochs}"] if epochs else [])]
    spec = load_form(recipe, RecipeSpec, registry, changes, allow_local_plugins=allow_local_plugins)
    folder = out or Path("runs") / recipe.stem
    refuse_other(folder, spec, resume)
    with Display(os.environ.get("RANK", "0") == "0") as display, leaving_alike(folder):
        setup = set_up(spec, recipe.parent, device, registry, display)
        over = Run(setup, folder, display).go()
        setup.accelerator.wait_for_everyone()  # when one is gone, a launcher ends those that are at work
    if not over:
        display.say(f"interrupted, and saved: go on with --resume, into {folder}")
        raise typer.Exit(INTERRUPTED)
    display.say(f"done: {folder / 'report.md'}")


def _need(*packages: str) -> None:
    """Raise `MissingDependency` unless all are installed."""
    for package in packages:
        if find_spec(package) is None:
            raise MissingDependency(f"training needs the package '{package}': pip install 'ai-audio-upscaler[train]'")
