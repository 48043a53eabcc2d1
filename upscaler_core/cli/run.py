"""`upscaler run` and `upscaler enhance` as they are typed; the work is in `process.py`, imported when it is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from upscaler_core.errors import UsageError
from upscaler_core.pipeline import presets
from upscaler_core.plugins.components import suggest

Inputs = Annotated[
    list[str] | None,
    typer.Argument(metavar="INPUT", help="Files, folders (their tree is mirrored) or globs.", show_default=False),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        help="A file, a folder, or a template with {stem}, {name}, {rate}. "
        "The suffix picks the exporter. Default: beside each input, as NAME.upscaled.flac (float sources: .wav).",
        show_default=False,
    ),
]
Rate = Annotated[
    int | None,
    typer.Option(
        "--rate",
        "-r",
        help="Target sample rate, Hz. Default: the pipeline's; without one 96000, or what the format holds (MP3: 48000).",
        show_default=False,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a value of the pipeline, such as chunk.samples=48000. May be repeated.",
        show_default=False,
    ),
]
NoLimit = Annotated[bool, typer.Option("--no-limit", help="Leave limiters out.")]
Device = Annotated[Literal["auto", "cpu", "cuda"], typer.Option("--device", help="Where the models run.")]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Files at a time, a process and one thread each.")]
Engine = Annotated[
    Literal["local", "dask", "ray"],
    typer.Option("--engine", help="Where the processes run: here, or on the machines of a dask or ray cluster."),
]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Leave out what the output folder's manifest has as done, if nothing changed since."),
]
Shard = Annotated[
    str | None,
    typer.Option("--shard", metavar="I/N", help="Do part I of N of the files, for job arrays.", show_default=False),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object to standard output; all else goes to standard error.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")]
SkipExisting = Annotated[bool, typer.Option("--skip-existing", help="Leave inputs out whose output exists.")]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse damaged files instead of decoding what is there.")]
AllowLocalPlugins = Annotated[
    bool, typer.Option("--allow-local-plugins", help="Run the Python files that the pipeline names under 'plugins'.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show errors only.")]


@dataclass(frozen=True)
class Request:
    """What was typed, beyond the pipeline."""

    inputs: Sequence[str]
    output: str | None
    settings: Sequence[str]
    no_limit: bool
    device: str
    jobs: int
    dry_run: bool
    json: bool
    overwrite: bool
    skip_existing: bool
    resume: bool
    engine: Literal["local", "dask", "ray"]
    shard: str | None
    strict: bool
    allow_local_plugins: bool
    quiet: bool


def run(
    pipeline: Annotated[Path, typer.Argument(metavar="PIPELINE.yaml", help="A pipeline file, see `upscaler schema`.")],
    inputs: Inputs = None,
    output: Output = None,
    rate: Rate = None,
    settings: Settings = None,
    no_limit: NoLimit = False,
    device: Device = "auto",
    jobs: Jobs = 1,
    dry_run: DryRun = False,
    json: Json = False,
    overwrite: Overwrite = False,
    skip_existing: SkipExisting = False,
    resume: Resume = False,
    engine: Engine = "local",
    shard: Shard = None,
    strict: Strict = False,
    allow_local_plugins: AllowLocalPlugins = False,
    quiet: Quiet = False,
) -> None:
    """Send files through a pipeline file."""
    request = Request(
        inputs or [], output, _settings(settings, rate), no_limit, device, jobs, dry_run, json, overwrite,
        skip_existing, resume, engine, shard, strict, allow_local_plugins, quiet,
    )  # fmt: skip
    _process(pipeline, request)


def enhance(
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT", help="Files, folders (their tree is mirrored) or globs.")
    ],
    preset: Annotated[
        str, typer.Option("--preset", help="What comes with the package: baseline (DSP alone), restore, whitepaper.")
    ] = presets.DEFAULT,
    output: Output = None,
    rate: Rate = None,
    settings: Settings = None,
    no_limit: NoLimit = False,
    device: Device = "auto",
    jobs: Jobs = 1,
    dry_run: DryRun = False,
    json: Json = False,
    overwrite: Overwrite = False,
    skip_existing: SkipExisting = False,
    resume: Resume = False,
    engine: Engine = "local",
    shard: Shard = None,
    strict: Strict = False,
    allow_local_plugins: AllowLocalPlugins = False,
    quiet: Quiet = False,
) -> None:
    """Send files through a preset."""
    path = presets.path_of(preset)
    if path is None:
        raise UsageError(f"there is no preset '{preset}'; {suggest(preset, presets.names())}")
    request = Request(
        inputs, output, _settings(settings, rate), no_limit, device, jobs, dry_run, json, overwrite, skip_existing,
        resume, engine, shard, strict, allow_local_plugins, quiet,
    )  # fmt: skip
    _process(path, request)


def _process(path: Path, request: Request) -> None:
    from upscaler_core.cli.process import process

    process(path, request)


def _settings(settings: Sequence[str] | None, rate: int | None) -> list[str]:
    return [*(settings or []), *([f"target_rate={rate}"] if rate is not None else [])]
