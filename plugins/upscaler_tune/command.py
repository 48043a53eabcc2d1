"""The command line of `upscaler tune`. The modules that do the work are imported at the first use."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from upscaler_core import MissingDependency, Options, discover
from upscaler_core.cli import AllowLocalPlugins, Device, Settings, run_app
from upscaler_core.pipeline import load_form

INTERRUPTED = 130
"""Exit code after Ctrl-C."""


class Tune:
    """The command `tune`."""

    def __init__(self, options: Options) -> None:
        pass

    def __call__(self, arguments: Sequence[str]) -> int:
        """Run with the arguments that follow the command's name; return the exit code."""
        return run_app(tune, "tune", arguments)


def tune(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE.yaml", help="A training recipe, see docs/tuning.md.")],
    trials: Annotated[
        int, typer.Option("--trials", "-n", min=1, max=100_000, help="Trials to finish, of all processes and days.")
    ] = 20,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, max=1_000, help="Trials at a time, a process each.")] = 1,
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage",
            metavar="PATH|URL",
            help="Where the study is kept, for all who work on it: a journal file, or a database such as "
            "postgresql+psycopg://host/name. Default: journal.log in the folder.",
            show_default=False,
        ),
    ] = None,
    study: Annotated[
        str | None, typer.Option("--study", help="The study's name. Default: the recipe's.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The folder to write to. Default: studies/ and the name.", show_default=False),
    ] = None,
    pruner: Annotated[
        Literal["median", "hyperband", "none"], typer.Option("--pruner", help="What ends poor trials early.")
    ] = "median",
    seed: Annotated[int, typer.Option("--seed", min=0, help="For what is drawn of the space.")] = 0,
    settings: Settings = None,
    device: Device = "auto",
    grace: Annotated[
        float,
        typer.Option(
            "--grace", min=1, help="Seconds without a sign of life after which another process repeats the trial."
        ),
    ] = 60,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object to standard output; all else to standard error.")
    ] = False,
    allow_local_plugins: AllowLocalPlugins = False,
) -> None:
    """Search for a recipe's best options by many short trainings.

    The recipe says under 'search' which options vary; without it the white paper's do. The same command goes on after
    Ctrl-C or a kill -9, and may run at the same time in several processes and on several hosts. The folder then holds
    best.yaml, a recipe for `upscaler train`; report.html; each trial's training.
    """
    _require("optuna", "accelerate", "tensorboard", "matplotlib")
    from upscaler_tune.display import Display
    from upscaler_tune.html_report import summary, write_report
    from upscaler_tune.recipe import search_form, study_definition
    from upscaler_tune.search import Search, scorings_of
    from upscaler_tune.search_space import search_space
    from upscaler_tune.storage import open_storage, open_study, storage_errors
    from upscaler_tune.trial_queue import TrialQueue

    registry = discover()
    form = search_form(registry)
    spec: Any = load_form(recipe, form, registry, settings or (), allow_local_plugins=allow_local_plugins)
    space = search_space(spec, spec.search, registry)
    name = study or recipe.stem
    folder = out or Path("studies") / name
    location = storage or str(folder / "journal.log")
    metric = registry.metric(spec.metric.use, spec.metric.options)
    definition, scorings = study_definition(spec, space), scorings_of(spec)
    opened_storage = open_storage(location)
    with storage_errors(location):
        opened = open_study(opened_storage, name, definition, metric.higher_is_better, pruner, scorings, seed)
        display = Display(f"study {name}", space, spec.metric.use, opened.direction, trials, scorings)
        arguments = ["--device", device, *(["--allow-local-plugins"] if allow_local_plugins else [])]
        queue = TrialQueue(opened, space, trials, grace)
        search = Search(queue, spec, recipe.parent, space, folder, arguments, jobs, display)
        with display:
            finished = search.run()
        display.finish(queue.trials, to_stderr=as_json)
        if not finished:
            display.say("interrupted: the same command goes on")
            raise typer.Exit(INTERRUPTED)
        search.write_best()
        result = summary(opened, space, spec.metric.use)
    write_report(folder / "report.html", result)
    if as_json:
        typer.echo(json.dumps({"version": 1, "folder": str(folder), **result}, ensure_ascii=False, indent=2))
    display.say(f"done: {folder / 'best.yaml'}, {folder / 'report.html'}")


def _require(*packages: str) -> None:
    """Raise `MissingDependency` if a package is not installed."""
    for package in packages:
        if find_spec(package) is None:
            raise MissingDependency(f"tuning needs the package '{package}': pip install 'ai-audio-upscaler[tune]'")
