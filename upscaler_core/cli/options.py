"""The options that `upscaler run` and `upscaler enhance` have in common, declared once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import typer

from upscaler_core.files.cutoffs import cutoff_of

AllowLocalPlugins = Annotated[
    bool, typer.Option("--allow-local-plugins", help="Run the Python files that the pipeline names under 'plugins'.")
]

CUTOFF_HELP = "Where the content ends, as 4000 or 4k; auto = measured. Default: auto, or the pipeline's."
CUTOFFS_HELP = (
    "A list of cut-offs with the columns file, cutoff_hz and, where a file has several parts, start in seconds. "
    "It wins over --cutoff. `upscaler inspect --write-cutoffs` writes such a list."
)


@dataclass(frozen=True)
class ProcessingOptions:
    """How files are processed. Each field is an option of the command line; help lists them in this order."""

    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="A file, a folder, or a template with {stem}, {name}, {rate}. "
            "The suffix picks the exporter. Default: beside each input, as NAME.upscaled.flac (float sources: .wav).",
            show_default=False,
        ),
    ] = None
    rate: Annotated[
        int | None,
        typer.Option(
            "--rate",
            "-r",
            help="Target sample rate, Hz. Default: the pipeline's; "
            "without one 96000, or what the format holds (MP3: 48000).",
            show_default=False,
        ),
    ] = None
    cutoff: Annotated[
        str | None,
        typer.Option("--cutoff", metavar="HZ|auto", help=CUTOFF_HELP, show_default=False),
    ] = None
    cutoffs: Annotated[
        Path | None,
        typer.Option("--cutoffs", metavar="FILE.csv", help=CUTOFFS_HELP, show_default=False),
    ] = None
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a value of the pipeline, such as chunk.samples=48000. May be repeated.",
            show_default=False,
        ),
    ] = None
    no_limit: Annotated[bool, typer.Option("--no-limit", help="Leave limiters out.")] = False
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option("--device", help="Where the models run.")] = "auto"
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=1, help="Files at a time, a process and one thread each.")
    ] = 1
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done with each file, and do nothing.")
    ] = False
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object to standard output; all else goes to standard error.")
    ] = False
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")] = False
    skip_existing: Annotated[bool, typer.Option("--skip-existing", help="Skip inputs whose output already exists.")] = (
        False
    )
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Continue an interrupted run: skip files that are already done and unchanged."),
    ] = False
    engine: Annotated[
        Literal["local", "dask", "ray"],
        typer.Option("--engine", help="Where the processes run: here, or on the machines of a dask or ray cluster."),
    ] = "local"
    shard: Annotated[
        str | None,
        typer.Option("--shard", metavar="I/N", help="Do part I of N of the files, for job arrays.", show_default=False),
    ] = None
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse damaged files instead of decoding what is there.")
    ] = False
    allow_local_plugins: AllowLocalPlugins = False
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FILE",
            help="Write what was decided and done for each file: a page (.html), a table (.csv) or JSON (.json).",
            show_default=False,
        ),
    ] = None
    log: Annotated[
        Path | None,
        typer.Option("--log", metavar="FILE", help="Append every step to a file, with times.", show_default=False),
    ] = None
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose",
            "-v",
            count=True,
            help="Show what is decided and why; -vv shows every step.",
            show_default=False,
        ),
    ] = 0
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show errors only.")] = False

    @property
    def pipeline_settings(self) -> list[str]:
        """Changes to the pipeline file, `key=value` each; `--rate` and `--cutoff` are among them.

        Raises:
            UsageError: what was typed is no cut-off.
        """
        rate = [f"target_rate={self.rate}"] if self.rate is not None else []
        given = cutoff_of(self.cutoff, "--cutoff") if self.cutoff is not None else None
        cutoff = [f"cutoff_hz={'null' if given is None else given}"] if self.cutoff is not None else []
        return [*(self.settings or []), *rate, *cutoff]


def with_processing_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command every field of `ProcessingOptions` as an option, after its own parameters.

    Typer reads the options from the signature of the function that this returns.

    Args:
        command: takes a `ProcessingOptions` as its parameter `options`.
    """
    annotations = get_type_hints(ProcessingOptions, include_extras=True)
    shared = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=annotations[field.name]
        )
        for field in fields(ProcessingOptions)
    ]
    own = [
        parameter
        for parameter in inspect.signature(command, eval_str=True).parameters.values()
        if parameter.name != "options"
    ]

    @functools.wraps(command)
    def wrapper(**values: Any) -> None:
        options = ProcessingOptions(**{field.name: values.pop(field.name) for field in fields(ProcessingOptions)})
        command(**values, options=options)

    wrapper.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *shared)}
    return wrapper
