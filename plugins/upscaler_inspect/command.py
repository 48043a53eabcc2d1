"""`upscaler inspect`: what is in a recording, and what an upscaler could add to it."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from upscaler_core import InputError, Options, Registry, UpscalerError, UsageError, discover
from upscaler_core.cli import exit_code, run_app
from upscaler_core.files import find_inputs

if TYPE_CHECKING:
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
            help="Draw spectrograms: OUT.png for one file, else OUT is a folder. Needs the extra 'plots'.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Look inside recordings.

    Format, levels, loudness, clipping, where the content ends and how steeply, and what could be added.
    """
    registry = discover()
    paths = list(dict.fromkeys(path for path, _ in find_inputs(inputs, registry)))
    if not paths:
        raise InputError(f"no audio file was found in {', '.join(inputs)}")
    targets = picture_paths(paths, png)
    results: list[Inspection | Failure] = []
    for path in paths:
        result = inspect_file(path, targets.get(path), registry)
        results.append(result)
        if isinstance(result, Failure):
            typer.echo(f"failed: {result.message}", err=True)
        elif not as_json:
            print_inspection(result, last=path == paths[-1])
    if as_json:
        typer.echo(json.dumps([record(result) for result in results], ensure_ascii=False, indent=2, allow_nan=False))
    failed = Counter(result.exit_code for result in results if isinstance(result, Failure))
    raise typer.Exit(exit_code(failed, len(results)))


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


def inspect_file(path: Path, target: Path | None, registry: Registry) -> Inspection | Failure:
    """Inspect one file, and draw its picture if `target` is given. An error becomes a `Failure`, so other files go on."""
    from upscaler_inspect import inspection, spectrogram

    try:
        result = inspection.inspect(path, registry)
        if target is not None:
            spectrogram.draw(result, target, registry)
    except UpscalerError as error:
        return Failure(path, str(error), error.exit_code)
    return result


def record(result: Inspection | Failure) -> dict[str, Any]:
    """The object of one file in `--json`. A value that does not exist, such as the level of silence, is null."""
    if isinstance(result, Failure):
        return {"file": str(result.source), "status": "failed", **_only(asdict(result), "message", "exit_code")}
    info, levels, bandwidth = result.info, result.levels, result.bandwidth
    return {
        "file": str(result.path),
        "status": "damaged" if result.damage else "ok",
        "damage": result.damage,
        "format": info.format,
        "rate_hz": info.rate,
        "channels": info.channels,
        "frames": levels.frames,
        "seconds": result.seconds,
        "bits": info.bits,
        "floating": info.floating,
        "bits_used": levels.bits,
        "peak_dbfs": _finite(levels.peak_db),
        "true_peak_dbtp": _finite(levels.true_peak_db),
        "loudness_lufs": levels.loudness,
        "full_scale_samples": levels.full_scale,
        "clipped_runs": levels.clipped_runs,
        "dc": levels.dc,
        "cutoff_hz": bandwidth.cutoff_hz,
        "edge": bandwidth.has_edge,
        "edge_drop_db": bandwidth.drop_db if bandwidth.has_edge else None,
        "edge_slope_db_per_octave": bandwidth.slope if bandwidth.has_edge else None,
        "lossy": result.lossy,
        "upsampled_from_hz": result.upsampled_from,
        "looks": result.looks,
        "advice": result.advice,
    }


def print_inspection(result: Inspection, last: bool) -> None:
    """Print all about one file."""
    from rich.console import Console
    from rich.markup import escape

    from upscaler_core.cli import clock

    info, levels, edge = result.info, result.levels, result.bandwidth
    channels = {1: "mono", 2: "stereo"}.get(info.channels, f"{info.channels} channels")
    loudness = "not measurable" if levels.loudness is None else f"{levels.loudness:.1f} LUFS"
    rows = {
        "format": f"{escape(info.format)}, {info.rate / 1000:g} kHz, {channels}, {clock(result.seconds)}",
        "level": f"peak {levels.peak_db:.1f} dBFS, true peak {levels.true_peak_db:.1f} dBTP, {loudness}",
    }
    if result.damage:
        rows["damage"] = f"[yellow]{escape(result.damage)}[/]"
    if levels.full_scale:
        runs = f"{levels.clipped_runs:,} stretches of 3 and more" if levels.clipped_runs else "none in a row"
        rows["clipping"] = f"[yellow]{levels.full_scale:,} samples at full scale, {runs}[/]"
    if abs(levels.dc) > 10 ** (-60 / 20):
        rows["DC offset"] = f"{100 * levels.dc:.2f} % of full scale"
    if levels.bits is not None and info.bits is not None and levels.bits < info.bits:
        rows["bits in use"] = f"{levels.bits} of {info.bits}"
    if edge.has_edge:
        rows["edge"] = f"{edge.cutoff_hz / 1000:.1f} kHz, {edge.slope:.0f} dB/octave, {edge.drop_db:.0f} dB deep"
    rows["looks"] = result.looks
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[bold]{escape(str(result.path))}[/]")
    for name, value in rows.items():
        console.print(f"  [dim]{name:<11}[/]  {value}")
    console.print(f"  [cyan]→ {escape(result.advice)}[/]" + "\n" * (not last))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _only(values: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: values[key] for key in keys}
