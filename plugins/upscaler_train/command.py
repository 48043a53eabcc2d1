"""The command line of `upscaler train`. The modules that train are imported when a training starts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from upscaler_core import MissingDependency, Options, discover
from upscaler_core.cli import AllowLocalPlugins, Device, Settings, run_app
from upscaler_core.pipeline import Spec, load_form
from upscaler_core.processes import locked

LOCK = "training.lock"
"""A run's folder belongs to the process that holds this lock."""
INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells define it."""


class Train:
    """The command `train`."""

    def __init__(self, options: Options) -> None:
        pass

    def __call__(self, arguments: Sequence[str]) -> int:
        """Run with the arguments that follow the command's name; return the exit code."""
        code = run_app(train, "train", arguments)
        if "RANK" in os.environ:
            from upscaler_train.distributed import exit_process

            exit_process(code)
        return code

    @property
    def form(self) -> type[Spec]:
        """The recipe's form, for commands that write recipes."""
        from upscaler_train.recipe import RecipeSpec

        return RecipeSpec


def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE.yaml", help="A recipe file, see docs/training.md.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The run's folder. Default: runs/ and the recipe's name.", show_default=False),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in that folder exactly where it stopped.")
    ] = False,
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, help="Epochs in all. Default: the recipe's.", show_default=False)
    ] = None,
    settings: Settings = None,
    device: Device = "auto",
    allow_local_plugins: AllowLocalPlugins = False,
) -> None:
    """Train models by a recipe file.

    The run's folder then holds best/ and last/, each with checkpoints and a pipeline.yaml that uses them, log.jsonl,
    tensorboard/, report.md, and what --resume needs to continue exactly where it stopped, even after a kill -9.
    """
    _require_packages("accelerate", "tensorboard", "matplotlib")
    from upscaler_train.display import Display
    from upscaler_train.distributed import reporting_lost_processes
    from upscaler_train.loop import TrainingRun
    from upscaler_train.recipe import RecipeSpec, check_folder
    from upscaler_train.run_setup import set_up

    registry = discover()
    changes = [*(settings or []), *([f"epochs={epochs}"] if epochs else [])]
    spec = load_form(recipe, RecipeSpec, registry, changes, allow_local_plugins=allow_local_plugins)
    folder, is_main = out or Path("runs") / recipe.stem, os.environ.get("RANK", "0") == "0"
    check_folder(folder, spec, resume)
    lock = locked(folder / LOCK, f"another training writes into {folder}: wait for it, or name another folder by --out")
    with (
        lock if is_main else nullcontext(),
        Display(is_main) as display,
        reporting_lost_processes(folder),
    ):
        check_folder(folder, spec, resume)  # the one that held the lock until now may have begun a run
        setup = set_up(spec, recipe.parent, device, registry, display)
        finished = TrainingRun(setup, folder, display).train()
        setup.accelerator.wait_for_everyone()  # when one process has ended, a launcher ends those that still work
    if not finished:
        display.print(f"interrupted, and saved: go on with --resume, into {folder}")
        raise typer.Exit(INTERRUPTED)
    display.print(f"done: {folder / 'report.md'}")


def _require_packages(*packages: str) -> None:
    """Raise `MissingDependency` unless all are installed."""
    for package in packages:
        if find_spec(package) is None:
            raise MissingDependency(f"training needs the package '{package}': pip install 'ai-audio-upscaler[train]'")
