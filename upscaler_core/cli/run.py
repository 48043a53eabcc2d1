"""The commands `upscaler run` and `upscaler enhance`. `processing.py` does the work, and is imported when a command runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from upscaler_core.cli import completion
from upscaler_core.cli.options import ProcessingOptions, with_processing_options
from upscaler_core.errors import UsageError
from upscaler_core.pipeline import presets
from upscaler_core.plugins.components import suggest

INPUTS_HELP = "Files, folders (their tree is mirrored) or globs."


@with_processing_options
def run(
    pipeline: Annotated[Path, typer.Argument(metavar="PIPELINE.yaml", help="A pipeline file, see `upscaler schema`.")],
    inputs: Annotated[list[str] | None, typer.Argument(metavar="INPUT", help=INPUTS_HELP, show_default=False)] = None,
    *,
    options: ProcessingOptions,
) -> None:
    """Send files through a pipeline file."""
    from upscaler_core.cli.processing import process_files

    process_files(pipeline, inputs or [], options)


@with_processing_options
def enhance(
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT", help=INPUTS_HELP)],
    preset: Annotated[
        str,
        typer.Option(
            "--preset",
            help="What comes with the package: baseline (DSP alone), restore, whitepaper.",
            autocompletion=completion.preset_names,
        ),
    ] = presets.DEFAULT,
    *,
    options: ProcessingOptions,
) -> None:
    """Send files through a preset."""
    from upscaler_core.cli.processing import process_files

    pipeline = presets.path_of(preset)
    if pipeline is None:
        raise UsageError(f"there is no preset '{preset}'; {suggest(preset, presets.names())}")
    process_files(pipeline, inputs, options)
