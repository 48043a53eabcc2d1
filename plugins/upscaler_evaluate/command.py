"""`upscaler evaluate` as it is typed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from upscaler_core import Options, UsageError, run_app

CUTOFFS = (4_000, 8_000, 12_000)
METRICS = "lsd,lsd-hf,modulation-error,envelope-error,ssim,si-sdr,low-band-snr,level-change"


class Evaluate:
    """The command `evaluate`."""

    def __init__(self, options: Options) -> None:
        del options

    def __call__(self, arguments: Sequence[str]) -> int:
        """Run with the words that follow its name; return the exit code."""
        return run_app(evaluate, "evaluate", arguments)


def evaluate(
    given: Annotated[
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
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a value of every pipeline.", show_default=False),
    ] = None,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where the models run.")] = "auto",
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Clips at a time, a process and a thread each.")] = 1,
    allow_local_plugins: Annotated[
        bool, typer.Option("--allow-local-plugins", help="Run the Python files that pipelines name under 'plugins'.")
    ] = False,
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
        if given is None or len(given) != 2 or report or settings:
            raise UsageError(
                "give --data FOLDER and pipelines, or two audio files: upscaler evaluate REFERENCE ESTIMATE"
            )
        from upscaler_evaluate.pair import compare

        compare(Path(given[0]), Path(given[1]), names, _cutoffs(cutoffs) if cutoffs else (), json)
    else:
        from upscaler_evaluate.judge import Task
        from upscaler_evaluate.table import evaluate_folder

        words, pipelines = tuple(settings or ()), tuple(given or ())
        task = Task(pipelines, words, _cutoffs(cutoffs), tuple(names), down, device, allow_local_plugins)
        evaluate_folder(task, data, limit=limit, jobs=jobs, page=report, numbers=json)


def _cutoffs(text: str | None) -> tuple[int, ...]:
    if text is None:
        return CUTOFFS
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words or not all(word.isdecimal() and 500 <= int(word) <= 96_000 for word in words):
        raise UsageError(
            f"--cutoffs {text}: must be frequencies from 500 to 96000 Hz with commas between, as 4000,8000"
        )
    return tuple(sorted({int(word) for word in words}))
