"""`upscaler check` and `upscaler schema`: check pipeline files, and print their JSON Schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from upscaler_core.cli.options import AllowLocalPlugins, Settings
from upscaler_core.errors import Problem, SpecError
from upscaler_core.plugins.registry import discover


def check(
    pipelines: Annotated[list[Path], typer.Argument(metavar="PIPELINE.yaml", help="Pipeline files.")],
    settings: Settings = None,
    allow_local_plugins: AllowLocalPlugins = False,
) -> None:
    """Check pipeline files.

    Form, names and options; every fault at once, as file:line:col, with what to write instead.
    """
    from upscaler_core.pipeline.loading import load

    registry = discover()
    problems: list[Problem] = []
    for path in pipelines:
        try:
            load(path, registry, settings or [], allow_local_plugins=allow_local_plugins)
            typer.echo(f"{path}: ok")
        except SpecError as error:
            problems += error.problems
    if problems:
        raise SpecError(problems)


def schema() -> None:
    """Print the JSON Schema of the pipeline file, for editors.

    Save it as pipeline.schema.json and begin a pipeline file with
    "# yaml-language-server: $schema=pipeline.schema.json".
    """
    from upscaler_core.pipeline.schema import pipeline_schema

    typer.echo(json.dumps(pipeline_schema(discover()), indent=2))
