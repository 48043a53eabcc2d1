"""The options of `upscaler run` and `upscaler enhance`, and those that other commands share with them, declared once."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import typer

from upscaler_core.cli import completion
from upscaler_core.errors import UsageError
from upscaler_core.files.cutoffs import cutoff_of
from upscaler_core.pipeline.yaml_document import Setting
from upscaler_core.plugins.components import suggest
from upscaler_core.plugins.user_config import config_file, read_config

AllowLocalPlugins = Annotated[
    bool, typer.Option("--allow-local-plugins", help="Run the Python files that the file names under 'plugins'.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a value of the file for this run, such as seed=1. May be repeated.",
        show_default=False,
        autocompletion=completion.settings,
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device", metavar="auto|cpu|cuda|...", help="Where the models run: auto, or a device as torch names it."
    ),
]
"""The annotations of options that several commands have."""

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
        str | None,
        typer.Option(
            "--rate",
            "-r",
            metavar="HZ",
            help="Target sample rate, as 192000 or 192k. Default: the pipeline's; "
            "without one 96000, or what the format holds (MP3: 48000).",
            show_default=False,
        ),
    ] = None
    format: Annotated[
        str | None,
        typer.Option("--format", metavar="wav|flac|mp3|ogg", help="Format of outputs without a suffix of their own."),
    ] = None
    bits: Annotated[
        str | None,
        typer.Option("--bits", metavar="16|24|32|float", help="Bits of a sample. FLAC: 16 or 24. WAV: all of them."),
    ] = None
    bitrate: Annotated[
        str | None, typer.Option("--bitrate", metavar="KBPS", help="MP3 at a constant bit rate, as 320 or 320k.")
    ] = None
    quality: Annotated[
        str | None,
        typer.Option("--quality", metavar="N", help="MP3: 0 (best) to 9. Ogg: 0 to 10 (best)."),
    ] = None
    dither: Annotated[
        str | None,
        typer.Option(
            "--dither", metavar="tpdf|shaped|none", help="Noise that is added before rounding to 16 or 24 bits."
        ),
    ] = None
    suffix: Annotated[
        str | None,
        typer.Option(
            "--suffix",
            metavar="TEXT",
            help="What is added to names, before the format's suffix. Default: .upscaled beside inputs, else nothing.",
            show_default=False,
        ),
    ] = None
    keep_times: Annotated[bool, typer.Option("--keep-times", help="Give outputs the times of their inputs.")] = False
    input_list: Annotated[
        Path | None,
        typer.Option(
            "--input-list",
            metavar="FILE",
            help="Read further inputs from a text file, one in each line.",
            show_default=False,
        ),
    ] = None
    reprocess: Annotated[
        bool, typer.Option("--reprocess", help="Take files that this program made as inputs, too.")
    ] = False
    cutoff: Annotated[
        str | None,
        typer.Option("--cutoff", metavar="HZ|auto", help=CUTOFF_HELP, show_default=False),
    ] = None
    cutoffs: Annotated[
        Path | None,
        typer.Option("--cutoffs", metavar="FILE.csv", help=CUTOFFS_HELP, show_default=False),
    ] = None
    settings: Settings = None
    headroom: Annotated[
        Literal["auto", "limit", "none"] | None,
        typer.Option(
            "--headroom",
            help="Peaks beyond full scale: auto lowers the whole file once, by as much as is needed; limit turns them "
            "down by a limiter at -1 dBTP; none clips them. Default: the pipeline's, or auto.",
            show_default=False,
        ),
    ] = None
    no_limit: Annotated[bool, typer.Option("--no-limit", help="The same as --headroom none: peaks may then clip.")] = (
        False
    )
    device: Device = "auto"
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=1, help="Files at a time, a process and one thread each.")
    ] = 1
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done with each file, and do nothing.")
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
    def pipeline_settings(self) -> list[Setting]:
        """Changes to the pipeline file. Options that stand for one, as `--rate` does, are among them.

        Raises:
            UsageError: what was typed is no cut-off, rate or bit rate, or contradicts itself.
        """
        if self.no_limit and self.headroom not in (None, "none"):
            raise UsageError(f"--no-limit means --headroom none: leave it out, or --headroom {self.headroom}")
        headroom = "none" if self.no_limit else self.headroom
        settings = [Setting.parse(text) for text in self.settings or ()]
        if headroom is not None:
            settings.append(Setting("headroom", headroom, "--no-limit" if self.no_limit else f"--headroom {headroom}"))
        if self.rate is not None:
            settings.append(Setting("target_rate", str(rate_of(self.rate, "--rate")), f"--rate {self.rate}"))
        if self.cutoff is not None:
            given = cutoff_of(self.cutoff, "--cutoff")
            settings.append(Setting("cutoff_hz", "null" if given is None else str(given), f"--cutoff {self.cutoff}"))
        if self.bitrate is not None:
            settings.append(Setting("export.bitrate", str(bit_rate_of(self.bitrate)), f"--bitrate {self.bitrate}"))
        for name, value in (("bits", self.bits), ("quality", self.quality), ("dither", self.dither)):
            if value is not None:
                settings.append(Setting(f"export.{name}", value, f"--{name} {value}"))
        return settings


_FREQUENCY = re.compile(r"(\d+(?:\.\d+)?)\s*(k?)(?:hz)?", re.IGNORECASE)
_BIT_RATE = re.compile(r"(\d+)\s*(k?)(?:bps|bit/s|b/s)?", re.IGNORECASE)


def rate_of(text: str, where: str) -> int:
    """The sample rate, Hz, that `192000`, `192k` or `44.1 kHz` means.

    Raises:
        UsageError: it is no rate. The message begins with `where`.

    >>> rate_of("44.1kHz", "--rate"), rate_of("192k", "--rate")
    (44100, 192000)
    """
    match = _FREQUENCY.fullmatch(text.strip())
    hertz = float(match[1]) * (1000 if match[2] else 1) if match else 0.5
    if abs(hertz - round(hertz)) > 1e-6:
        raise UsageError(f"{where} {text}: write the rate in Hz, as 192000 or 192k")
    return round(hertz)


def bit_rate_of(text: str) -> int:
    """The bit rate, kbps, that `320`, `320k` or `320000` means.

    Raises:
        UsageError: it is no bit rate.
    """
    match = _BIT_RATE.fullmatch(text.strip())
    if not match:
        raise UsageError(f"--bitrate {text}: write the bit rate in kbps, as 320 or 320k")
    number = int(match[1])
    return number // 1000 if not match[2] and number >= 1000 else number


def user_defaults(name: str, command: Callable[..., None]) -> dict[str, Any]:
    """The defaults that the user's file of settings has for a command, by its parameters.

    Raises:
        UsageError: the file is wrong, or names an option that the command does not have.
    """
    known = {_option_of(parameter): parameter for parameter in inspect.signature(command).parameters}
    defaults = {}
    for key, value in getattr(read_config(), name).items():
        option = key.replace("_", "-")
        if option not in known or option in ("inputs", "pipeline"):
            raise UsageError(f"{config_file()}: {name}.{key}: unknown key; {suggest(option, known)}")
        defaults[known[option]] = value
    return defaults


def _option_of(parameter: str) -> str:
    return "set" if parameter == "settings" else parameter.replace("_", "-")


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
        try:
            command(**values, options=options)
        except UsageError as error:
            names = ", ".join(map(_option_of, user_defaults(command.__name__, wrapper)))
            note = f"\n(your defaults in {config_file()} are in force: {names})" if names else ""
            raise UsageError(f"{error}{note}") from None

    wrapper.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *shared)}
    return wrapper
