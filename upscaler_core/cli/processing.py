"""The work of `upscaler run` and `upscaler enhance`: check everything, plan the files, process them, sum up."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import typer

from upscaler_core.cli.options import ProcessingOptions
from upscaler_core.cli.progress import MOST_ROWS, Renderer
from upscaler_core.cli.result_counter import ResultCounter
from upscaler_core.cli.typed_files import exporter_of, lines_of_left_out, plan_typed
from upscaler_core.errors import SpecError, UpscalerError, UsageError
from upscaler_core.files.cutoffs import CutoffList, read_cutoffs
from upscaler_core.jobs.engines import execute
from upscaler_core.jobs.events import Event, Failed, Recorded, Skipped
from upscaler_core.jobs.manifest import EVERYTHING, Manifest, Shard, pipeline_hash
from upscaler_core.jobs.planning import Job, JobPlan
from upscaler_core.jobs.worker import JobSettings, dry_run
from upscaler_core.pipeline.events import Finished
from upscaler_core.pipeline.loading import load
from upscaler_core.pipeline.spec import PipelineSpec
from upscaler_core.pipeline.yaml_document import Setting
from upscaler_core.plugins.registry import Registry, discover


def process_files(path: Path, inputs: Sequence[str], options: ProcessingOptions) -> None:
    """Send files through a pipeline, and end with the documented exit code.

    Args:
        path: the pipeline file.
        inputs: files, folders and globs; where there are none, the pipeline file names them.
        options: what else was typed.
    """
    if options.overwrite + options.skip_existing + options.resume > 1:
        raise UsageError("--overwrite, --skip-existing and --resume exclude each other")
    shard = Shard.parse(options.shard) if options.shard else EVERYTHING
    registry = discover()
    pipeline = _load_pipeline(path, registry, options)
    listed = read_cutoffs(options.cutoffs) if options.cutoffs else None
    plan = plan_typed(path, inputs, pipeline, registry, options)
    if not options.quiet:
        for line in lines_of_left_out(plan):
            typer.echo(line, err=True)
    jobs = [job for job in _with_cutoffs(plan.jobs, listed, pipeline, options) if job.name in shard]
    manifest = _manifest(plan.folder, pipeline, registry, options, shard)
    renderer = Renderer(len(jobs), quiet=options.quiet, summary_to_stderr=options.json)
    counter = ResultCounter(keep_results=options.json or len(jobs) <= MOST_ROWS)
    with renderer, contextlib.closing(_events(jobs, pipeline, manifest, options)) as events:
        for event in events:
            if isinstance(event, Recorded) and manifest:
                manifest.append(event.record)
            if not options.dry_run or isinstance(event, Failed):
                renderer(event)
            counter(event)
    counter.sort([job.source for job in jobs])
    if options.json:
        typer.echo(json.dumps(summary(counter, pipeline, plan, options.dry_run), ensure_ascii=False, indent=2))
    renderer.summary(counter, dry_run=options.dry_run)
    raise typer.Exit(counter.exit_code)


def _load_pipeline(path: Path, registry: Registry, options: ProcessingOptions) -> PipelineSpec:
    """The pipeline as the options change it.

    The file is checked by itself first: a fault in it is the file's (exit code 3), and what fails only with the typed
    settings is the user's (exit code 2).
    """
    allowed, settings = options.allow_local_plugins, options.pipeline_settings
    pipeline = load(path, registry, allow_local_plugins=allowed)
    if options.format is not None:
        settings.append(Setting("export.use", exporter_of(options.format, registry), f"--format {options.format}"))
    try:
        if settings:
            pipeline = load(path, registry, settings, allow_local_plugins=allowed)
    except SpecError as error:
        typed = [setting.typed for setting in settings]
        # A place in the file means nothing to the user: without the settings there was no fault.
        lines = [f"{p.where if p.where in typed else ' '.join(typed)}: {p.message}" for p in error.problems]
        raise UsageError("\n".join(lines)) from None
    except UpscalerError as error:
        raise UsageError(str(error)) from None
    return pipeline


def _with_cutoffs(
    jobs: list[Job], listed: CutoffList | None, pipeline: PipelineSpec, options: ProcessingOptions
) -> list[Job]:
    """The jobs with what the user's list says of their sources. A row for no source is told."""
    if listed is None:
        return jobs
    cutoffs, unmatched = listed.assigned([(job.source, job.name) for job in jobs])
    for sentence in unmatched if not options.quiet else ():
        typer.echo(f"warning: {sentence}", err=True)
    if pipeline.cutoff_hz is None:  # to measure is what happens anyway
        cutoffs = {source: given for source, given in cutoffs.items() if given}
    return [replace(job, cutoffs=cutoffs.get(job.source)) for job in jobs]


def _manifest(
    folder: Path | None, pipeline: PipelineSpec, registry: Registry, options: ProcessingOptions, shard: Shard
) -> Manifest | None:
    """The record of this run, in the outputs' folder; None where the outputs have no folder of their own."""
    if folder is not None:
        return Manifest(folder, pipeline_hash(pipeline, registry, options.device), shard)
    if options.resume:
        raise UsageError("--resume goes on from the manifest in the output folder: name one, as in -o FOLDER/")
    return None


def _events(
    jobs: Sequence[Job], pipeline: PipelineSpec, manifest: Manifest | None, options: ProcessingOptions
) -> Generator[Event]:
    """Process the files, or find out what would become of them."""
    settings = JobSettings(
        pipeline,
        device=options.device,
        overwrite=options.overwrite or options.resume,
        skip_existing=options.skip_existing,
        strict=options.strict,
        keep_times=options.keep_times,
        pipeline_hash=manifest.pipeline_hash if manifest else "",
    )
    records = manifest.read() if manifest and options.resume else {}
    with_records = (replace(job, before=records.get(job.name)) for job in jobs)
    if options.dry_run:
        yield from dry_run(with_records, settings)
    else:
        yield from execute(with_records, settings, options.jobs, options.engine)


def summary(counter: ResultCounter, pipeline: PipelineSpec, plan: JobPlan, dry_run: bool) -> dict[str, Any]:
    """The `--json` object."""
    status = {Finished: "would be done" if dry_run else "done", Skipped: "skipped", Failed: "failed"}
    files = [
        {
            "status": "damaged" if isinstance(result, Finished) and result.damaged else status[type(result)],
            **asdict(result),
        }
        for result in counter.results
    ]
    for file in files:
        for key in ("source", "target"):
            if key in file:
                file[key] = str(file[key])
    return {
        "version": 1,
        "exit_code": counter.exit_code,
        "dry_run": dry_run,
        "pipeline": pipeline.with_refs(lambda path, kind, ref: ref.complete()).model_dump(
            mode="json", exclude_none=True
        ),
        "files": files,
        "left_out": [{"source": str(path), "reason": why} for why, paths in plan.left_out.items() for path in paths],
    }
