"""The command line of `upscaler evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from upscaler_core import Options, UsageError
from upscaler_core.cli import AllowLocalPlugins, Device, Settings, run_app

CUTOFFS = (4_000, 8_000, 12_000)
"""Default cut-offs of a folder's evaluation, Hz."""
METRICS = "lsd,lsd-hf,modulation-error,envelope-error,ssim,si-sdr,low-band-snr,level-change"


class Evaluate:
    """The command `evaluate`."""

    def __init__(self, options: Options) -> None:
        del options

    def __call__(self, arguments: Sequence[str]) -> int:
        """Run with the arguments that follow the command's name; return the exit code."""
        return run_app(evaluate, "evaluate", arguments)


def evaluate(
    pipelines: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PIPELINE",
            help="With --data: pipeline files or presets. Without: REFERENCE and ESTIMATE, two audio files.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of full-band recordings, with a manifest.csv (file, kind) or a sub-folder a kind."),
    ] = None,
    cutoffs: Annotated[
        str | None,
        typer.Option(
            metavar="HZ,...",
            help="Where the low-resolution inputs end, Hz. Default: 4000,8000,12000; for two files none, and metrics "
            "that need one are left out.",
            show_default=False,
        ),
    ] = None,
    metrics: Annotated[str, typer.Option(metavar="NAME,...", help="See `upscaler plugins`.")] = METRICS,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many clips of each kind.", show_default=False)
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="PAGE.html", help="Write a page to read, see and listen to.", show_default=False),
    ] = None,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Write every number.", show_default=False)
    ] = None,
    down: Annotated[str, typer.Option(help="Resampler that makes the inputs, and the one alone.")] = "soxr",
    settings: Settings = None,
    device: Device = "auto",
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Clips at a time, a process and a thread each.")] = 1,
    allow_local_plugins: AllowLocalPlugins = False,
) -> None:
    """Score pipelines on recordings, or one audio file against another.

    Each recording is taken down to twice the cut-off and handed to every pipeline, to the resampler alone, and to noise
    that has learned nothing: a model that does not beat that noise clearly has learned nothing either. What the columns
    mean: docs/evaluation.md.
    """
    names = [word for word in metrics.split(",") if word]
    for path, suffix in ((report, ".html"), (json, ".json")):
        if path is not None and path.suffix.lower() != suffix:
            raise UsageError(f"{path}: must end in {suffix}")
    if data is None:
        if pipelines is None or len(pipelines) != 2 or report or settings:
            raise UsageError(
                "give --data FOLDER and pipelines, or two audio files: upscaler evaluate REFERENCE ESTIMATE"
            )
        from upscaler_evaluate.file_pair import compare

        reference, estimate = map(Path, pipelines)
        compare(reference, estimate, names, _parse_cutoffs(cutoffs) if cutoffs else (), json)
    else:
        from upscaler_evaluate.evaluator import EvaluationSettings
        from upscaler_evaluate.folder import evaluate_folder

        evaluation = EvaluationSettings(
            tuple(pipelines or ()),
            tuple(settings or ()),
            _parse_cutoffs(cutoffs),
            tuple(names),
            down,
            device,
            allow_local_plugins,
        )
        evaluate_folder(evaluation, data, limit=limit, jobs=jobs, report_path=report, json_path=json)


def _parse_cutoffs(text: str | None) -> tuple[int, ...]:
    if text is None:
        return CUTOFFS
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words or not all(word.isdecimal() and 500 <= int(word) <= 96_000 for word in words):
        raise UsageError(
            f"--cutoffs {text}: must be frequencies from 500 to 96000 Hz with commas between, as 4000,8000"
        )
    return tuple(sorted({int(word) for word in words}))
