"""The commands `upscaler run` and `upscaler enhance`. `processing.py` does the work, and is imported when a command runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from upscaler_core.cli import completion
from upscaler_core.cli.options import ProcessingOptions, with_processing_options
from upscaler_core.errors import UsageError
from upscaler_core.files.inputs import audio_suffixes
from upscaler_core.pipeline import presets
from upscaler_core.plugins.components import suggest
from upscaler_core.plugins.registry import discover
from upscaler_core.plugins.user_config import config_file

INPUTS_HELP = "Files, folders (their tree is mirrored) or globs."
YAML = frozenset({".yaml", ".yml"})


@with_processing_options
def run(
    pipeline: Annotated[Path, typer.Argument(metavar="PIPELINE.yaml", help="A pipeline file, see `upscaler schema`.")],
    inputs: Annotated[list[str] | None, typer.Argument(metavar="INPUT", help=INPUTS_HELP, show_default=False)] = None,
    *,
    options: ProcessingOptions,
) -> None:
    """Enhance files with a pipeline file."""
    if pipeline.is_dir() or pipeline.suffix.lower() in audio_suffixes(discover()):
        what = "a folder" if pipeline.is_dir() else "audio"
        raise UsageError(
            f"{pipeline} is {what}, and `upscaler run` wants a pipeline file first: "
            f"type `upscaler enhance {pipeline}`, or `upscaler run PIPELINE.yaml {pipeline}`"
        )
    from upscaler_core.cli.processing import process_files

    process_files(pipeline, inputs or [], options)


@with_processing_options
def enhance(
    inputs: Annotated[list[str] | None, typer.Argument(metavar="INPUT", help=INPUTS_HELP, show_default=False)] = None,
    preset: Annotated[
        str,
        typer.Option(
            "--preset",
            help="What comes with the package: baseline (DSP alone), restore, whitepaper; or a file of your own, "
            "NAME.yaml in the folder of your settings.",
            autocompletion=completion.preset_names,
        ),
    ] = presets.DEFAULT,
    *,
    options: ProcessingOptions,
) -> None:
    """Enhance files with a preset."""
    from upscaler_core.cli.processing import process_files

    pipeline = presets.path_of(preset)
    if pipeline is None:
        is_file = Path(preset).suffix.lower() in YAML
        remedy = f"to use a file, type `upscaler run {preset}`" if is_file else suggest(preset, presets.names())
        own = config_file().parent
        raise UsageError(f"there is no preset '{preset}'; {remedy} (presets of your own go into {own})")
    process_files(pipeline, inputs or [], options)
