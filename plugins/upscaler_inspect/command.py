"""`upscaler inspect`: what is in a recording, and what an upscaler could add to it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from upscaler_core import InputError, Kind, Options, Registry, UpscalerError, UsageError, discover
from upscaler_core.cli import CUTOFFS_HELP, erase_start, exit_code, run_app
from upscaler_core.files import GivenCutoffs, find_inputs

if TYPE_CHECKING:
    from upscaler_core.files import DecoderMessages
    from upscaler_core.plugins import BandwidthDetector
    from upscaler_inspect.inspection import Inspection


class Inspect:
    """The command `inspect`."""

    def __init__(self, options: Options) -> None:
        pass

    def __call__(self, arguments: Sequence[str]) -> int:
        """Run with the words that follow its name; return the exit code."""
        return run_app(inspect, "inspect", arguments)


@dataclass(frozen=True)
class Failure:
    """A file that could not be inspected."""

    source: Path
    message: str
    exit_code: int


@dataclass(frozen=True)
class Inspector:
    """What every file is inspected with."""

    registry: Registry
    detector: BandwidthDetector
    cutoffs: Mapping[Path, GivenCutoffs] = field(default_factory=dict)
    """Where the user says that files end; empty for those that are to be measured."""
    pictures: Mapping[Path, Path] = field(default_factory=dict)
    """Where the files' pictures go."""

    def __call__(
        self, path: Path, messages: DecoderMessages, on_progress: Callable[[float, float | None], None] | None = None
    ) -> Inspection | Failure:
        """Inspect one file, and draw its picture. An error becomes a `Failure`, so other files go on."""
        from upscaler_inspect.inspection import inspect
        from upscaler_inspect.spectrogram import draw

        target = self.pictures.get(path)
        try:
            result, decibels = inspect(
                path,
                self.registry,
                self.detector,
                cutoffs=self.cutoffs.get(path, ()),
                picture=target is not None,
                on_progress=on_progress,
            )
            if target is not None and decibels is not None:
                draw(result, decibels, target)
        except UpscalerError as error:
            messages.take()
            return Failure(path, str(error), error.exit_code)
        said = messages.take()
        return replace(result, warnings=(*result.warnings, f"the decoder says: {said}")) if said else result


def inspect(
    inputs: Annotated[list[str], typer.Argument(metavar="FILE", help="Files, folders or globs.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON list, an object a file; all else goes to standard error.")
    ] = False,
    png: Annotated[
        str | None,
        typer.Option(
            "--png",
            metavar="OUT",
            help="Draw spectrograms: OUT.png for one file, else OUT is a folder.",
            show_default=False,
        ),
    ] = None,
    cutoff: Annotated[
        str,
        typer.Option("--cutoff", metavar="HZ|auto", help="Judge with this cut-off, as 4000 or 4k; auto = measured."),
    ] = "auto",
    cutoffs: Annotated[
        Path | None, typer.Option("--cutoffs", metavar="FILE.csv", help=CUTOFFS_HELP, show_default=False)
    ] = None,
    write_cutoffs: Annotated[
        Path | None,
        typer.Option(
            "--write-cutoffs",
            metavar="FILE.csv",
            help="Write what was found as a list, to be edited and passed to --cutoffs.",
            show_default=False,
        ),
    ] = None,
    detector: Annotated[
        str | None,
        typer.Option(
            "--detector",
            metavar="NAME",
            help="What finds where the content ends, see `upscaler plugins`. Default: what pipelines use.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Look inside recordings.

    Format, levels, loudness, clipping, where the content ends, why, and what could be added.
    """
    from upscaler_core.files import caught_messages, refuse_existing
    from upscaler_inspect.progress import FileBar

    registry = discover()
    if write_cutoffs:
        refuse_existing(write_cutoffs)
    named = [(path, (folder / path.name).as_posix()) for path, folder in find_inputs(inputs, registry)]
    paths = list(dict.fromkeys(path for path, _ in named))
    if not paths:
        raise InputError(f"no audio file was found in {', '.join(inputs)}")
    inspector = Inspector(
        registry, build_detector(registry, detector), given(named, cutoff, cutoffs), picture_paths(paths, png)
    )
    erase_start()
    results: list[Inspection | Failure] = []
    with caught_messages() as messages, FileBar(len(paths)) as bar:
        for path in paths:
            result = inspector(path, messages, bar.begin(path))
            results.append(result)
            bar.hide()
            if isinstance(result, Failure):
                typer.echo(f"failed: {result.message}", err=True)
            elif not as_json:
                from upscaler_inspect.printing import print_inspection

                print_inspection(result, last=path == paths[-1])
    if as_json:
        typer.echo(json.dumps([record_of(result) for result in results], ensure_ascii=False, indent=2, allow_nan=False))
    if write_cutoffs:
        write_list(write_cutoffs, [result for result in results if not isinstance(result, Failure)])
    failed = Counter(result.exit_code for result in results if isinstance(result, Failure))
    raise typer.Exit(exit_code(failed, len(results)))


def build_detector(registry: Registry, name: str | None) -> BandwidthDetector:
    """The detector of that name with its default options, or else the one that pipelines use.

    Raises:
        UpscalerError: there is none, or it cannot be built.
    """
    from upscaler_core.pipeline import PipelineSpec

    default = PipelineSpec(version=1).detector
    if name is None:
        name, options = default.use, default.options
        built: BandwidthDetector = registry.build(Kind.DETECTOR, name, options)
        return built
    return registry.detector(name)


def given(named: Sequence[tuple[Path, str]], cutoff: str, listed: Path | None) -> dict[Path, GivenCutoffs]:
    """Where the user says that the content of files ends: the list, and for files that it does not name, `--cutoff`.

    Raises:
        UsageError: the cut-off or the list is wrong.
    """
    from upscaler_core.files import GivenCutoff, cutoff_of, read_cutoffs

    hertz = cutoff_of(cutoff, "--cutoff")
    everywhere = () if hertz is None else (GivenCutoff(0.0, hertz),)
    cutoffs, unmatched = read_cutoffs(listed).assigned(named) if listed else ({}, [])
    for sentence in unmatched:
        typer.echo(f"warning: {sentence}", err=True)
    return {path: cutoffs.get(path, everywhere) for path, _ in named}


def picture_paths(paths: Sequence[Path], png: str | None) -> dict[Path, Path]:
    """The path of each file's picture; empty where no pictures are drawn.

    Raises:
        UsageError: two files would have the same picture.
        MissingDependency: matplotlib, which draws the pictures, is not installed.
    """
    if png is None:
        return {}
    from upscaler_inspect.spectrogram import check_plots

    check_plots()
    target = Path(png)
    if len(paths) == 1 and not target.is_dir() and not png.endswith("/"):
        targets = {paths[0]: target if target.suffix.lower() == ".png" else target.with_name(target.name + ".png")}
    else:
        targets = {path: target / f"{path.name}.png" for path in paths}
    if len(set(targets.values())) < len(paths):
        raise UsageError(f"two files of one name would share a picture in {png}: inspect them one after the other")
    return targets


def record_of(result: Inspection | Failure) -> dict[str, Any]:
    """The object of one file in `--json`."""
    from upscaler_inspect.json_record import record

    if isinstance(result, Failure):
        failure = {"message": result.message, "exit_code": result.exit_code}
        return {"file": str(result.source), "status": "failed", **failure}
    return record(result)


def write_list(path: Path, results: Sequence[Inspection]) -> None:
    """Write what was found as a list of cut-offs, with notes for people.

    Raises:
        OutputError: it exists, or cannot be written.
    """
    from upscaler_core.files import write_cutoffs

    write_cutoffs(path, (row for result in results for row in _rows(result)))


def _rows(result: Inspection) -> Iterator[tuple[Path, float, float, str]]:
    for start, _, segment in result.parts:
        found = segment.bandwidth
        sure = f", {100 * found.confidence:.0f} % sure" if found.cause != "unknown" else ""
        yield result.path, start, found.cutoff_hz, f"{result.note_of(found)}{sure}"
