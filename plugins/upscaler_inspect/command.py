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

from upscaler_core import InputError, Options, Registry, UpscalerError, UsageError, discover, run_app
from upscaler_core.cli import exit_code
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
    """A file that could not be looked into."""

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
    targets = pictures(paths, png)
    results: list[Inspection | Failure] = []
    for path in paths:
        result = look(path, targets.get(path), registry)
        results.append(result)
        if isinstance(result, Failure):
            typer.echo(f"failed: {result.message}", err=True)
        elif not as_json:
            show(result, last=path == paths[-1])
    if as_json:
        typer.echo(json.dumps([record(result) for result in results], ensure_ascii=False, indent=2, allow_nan=False))
    failed = Counter(result.exit_code for result in results if isinstance(result, Failure))
    raise typer.Exit(exit_code(failed, len(results)))


def pictures(paths: Sequence[Path], png: str | None) -> dict[Path, Path]:
    """Which picture each file gets.

    Raises:
        UsageError: two files would share one.
        MissingDependency: nothing here can draw.
    """
    if png is None:
        return {}
    from upscaler_inspect.spectrogram import check_plots

    check_plots()
    out = Path(png)
    if len(paths) == 1 and not out.is_dir() and not png.endswith("/"):
        targets = {paths[0]: out if out.suffix.lower() == ".png" else out.with_name(out.name + ".png")}
    else:
        targets = {path: out / f"{path.name}.png" for path in paths}
    if len(set(targets.values())) < len(paths):
        raise UsageError(f"two files of one name would share a picture in {png}: inspect them one after the other")
    return targets


def look(path: Path, target: Path | None, registry: Registry) -> Inspection | Failure:
    """Inspect one file, and draw it where a picture is asked for; a failure is its own."""
    from upscaler_inspect import inspection, spectrogram

    try:
        found = inspection.inspect(path, registry)
        if target is not None:
            spectrogram.draw(found, target, registry)
    except UpscalerError as error:
        return Failure(path, str(error), error.exit_code)
    return found


def record(result: Inspection | Failure) -> dict[str, Any]:
    """The object of one file in `--json`; null stands for what cannot be said, such as the level of silence."""
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
        "edge": bandwidth.found,
        "edge_drop_db": bandwidth.drop_db if bandwidth.found else None,
        "edge_slope_db_per_octave": bandwidth.slope if bandwidth.found else None,
        "lossy": result.lossy,
        "upsampled_from_hz": result.upsampled_from,
        "looks": result.looks,
        "advice": result.advice,
    }


def show(found: Inspection, last: bool) -> None:
    """Print one file's findings."""
    from rich.console import Console
    from rich.markup import escape

    from upscaler_core.cli import clock

    info, levels, edge = found.info, found.levels, found.bandwidth
    channels = {1: "mono", 2: "stereo"}.get(info.channels, f"{info.channels} channels")
    loudness = "not measurable" if levels.loudness is None else f"{levels.loudness:.1f} LUFS"
    rows = {
        "format": f"{escape(info.format)}, {info.rate / 1000:g} kHz, {channels}, {clock(found.seconds)}",
        "level": f"peak {levels.peak_db:.1f} dBFS, true peak {levels.true_peak_db:.1f} dBTP, {loudness}",
    }
    if found.damage:
        rows["damage"] = f"[yellow]{escape(found.damage)}[/]"
    if levels.full_scale:
        runs = f"{levels.clipped_runs:,} stretches of 3 and more" if levels.clipped_runs else "none in a row"
        rows["clipping"] = f"[yellow]{levels.full_scale:,} samples at full scale, {runs}[/]"
    if abs(levels.dc) > 10 ** (-60 / 20):
        rows["DC offset"] = f"{100 * levels.dc:.2f} % of full scale"
    if levels.bits is not None and info.bits is not None and levels.bits < info.bits:
        rows["bits in use"] = f"{levels.bits} of {info.bits}"
    if edge.found:
        rows["edge"] = f"{edge.cutoff_hz / 1000:.1f} kHz, {edge.slope:.0f} dB/octave, {edge.drop_db:.0f} dB deep"
    rows["looks"] = found.looks
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[bold]{escape(str(found.path))}[/]")
    for name, value in rows.items():
        console.print(f"  [dim]{name:<11}[/]  {value}")
    console.print(f"  [cyan]→ {escape(found.advice)}[/]" + "\n" * (not last))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _only(values: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: values[key] for key in keys}
