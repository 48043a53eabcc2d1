"""What `upscaler run` and `upscaler enhance` do: check everything, plan the files, do them, sum up."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Generator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import typer

from upscaler_core.cli.progress import MOST_ROWS, Renderer
from upscaler_core.cli.result_counter import ResultCounter
from upscaler_core.cli.run import Request
from upscaler_core.errors import UpscalerError, UsageError
from upscaler_core.jobs.engines import execute
from upscaler_core.jobs.events import Event, Failed, Recorded, Skipped
from upscaler_core.jobs.manifest import EVERYTHING, Manifest, Shard, pipeline_hash
from upscaler_core.jobs.planning import Job, plan_jobs
from upscaler_core.jobs.worker import JobSettings, dry_run
from upscaler_core.pipeline.check import load
from upscaler_core.pipeline.events import Finished
from upscaler_core.pipeline.spec import PipelineSpec
from upscaler_core.plugins.registry import Registry, discover


def process(path: Path, request: Request) -> None:
    """Check everything, plan the files, do them, and end with the documented exit code."""
    if request.overwrite + request.skip_existing + request.resume > 1:
        raise UsageError("--overwrite, --skip-existing and --resume exclude each other")
    shard = Shard.parse(request.shard) if request.shard else EVERYTHING
    registry = discover()
    pipeline = _checked(path, registry, request)
    inputs: list[str] = list(request.inputs) or [os.path.normpath(path.parent / given) for given in pipeline.input]
    output = request.output
    if output is None and pipeline.output is not None:
        output = os.path.normpath(path.parent / pipeline.output) + "/" * pipeline.output.endswith("/")
    if not inputs:
        raise UsageError("name at least one input: a file, a folder or a glob")
    plan = plan_jobs(inputs, output, pipeline, registry)
    jobs = [job for job in plan.jobs if job.name in shard]
    manifest = _manifest(plan.folder, pipeline, registry, request, shard)
    renderer = Renderer(len(jobs), quiet=request.quiet, summary_to_stderr=request.json)
    tally = ResultCounter(keep=request.json or len(jobs) <= MOST_ROWS)
    with renderer, contextlib.closing(_events(jobs, pipeline, manifest, request)) as events:
        for event in events:
            if isinstance(event, Recorded) and manifest:
                manifest.append(event.record)
            if not request.dry_run or isinstance(event, Failed):
                renderer(event)
            tally(event)
    tally.sort([job.source for job in jobs])
    if request.json:
        typer.echo(json.dumps(summary(tally, pipeline, request.dry_run), ensure_ascii=False, indent=2))
    renderer.summary(tally, dry_run=request.dry_run)
    raise typer.Exit(tally.exit_code)


def _manifest(
    folder: Path | None, pipeline: PipelineSpec, registry: Registry, request: Request, shard: Shard
) -> Manifest | None:
    """Where it is kept what was done; nowhere, unless the outputs have a folder of their own."""
    if folder is not None:
        return Manifest(folder, pipeline_hash(pipeline, registry, request.device), shard)
    if request.resume:
        raise UsageError("--resume goes on from the manifest in the output folder: name one, as in -o FOLDER/")
    return None


def _events(
    jobs: Sequence[Job], pipeline: PipelineSpec, manifest: Manifest | None, request: Request
) -> Generator[Event]:
    """Do the files, or say what would come of them."""
    replaces = request.overwrite or request.resume
    recorded = manifest.pipeline if manifest else ""
    task = JobSettings(pipeline, request.device, replaces, request.skip_existing, request.strict, recorded)
    records = manifest.read() if manifest and request.resume else {}
    known = (replace(job, before=records.get(job.name)) for job in jobs)
    if request.dry_run:
        yield from dry_run(known, task)
    else:
        yield from execute(known, task, request.jobs, request.engine)


def _checked(path: Path, registry: Registry, request: Request) -> PipelineSpec:
    """The pipeline file, after trying the settings: a fault in what was typed is the user's (2), not the file's (3)."""
    allowed = request.allow_local_plugins
    pipeline = load(path, registry, allow_local_plugins=allowed)
    try:
        if request.settings:
            pipeline = load(path, registry, request.settings, allow_local_plugins=allowed)
    except UpscalerError as error:
        raise UsageError(str(error)) from None
    if request.no_limit:
        kept = [use for use in pipeline.finish if use.use.split("/")[-1] != "limiter"]
        pipeline = pipeline.model_copy(update={"finish": kept})
    return pipeline


def summary(tally: ResultCounter, pipeline: PipelineSpec, dry_run: bool) -> dict[str, Any]:
    """The `--json` object."""
    status = {Finished: "would be done" if dry_run else "done", Skipped: "skipped", Failed: "failed"}
    files = [{"status": status[type(result)], **asdict(result)} for result in tally.kept]
    for file in files:
        for key in ("source", "target"):
            if key in file:
                file[key] = str(file[key])
    return {
        "version": 1,
        "exit_code": tally.exit_code,
        "dry_run": dry_run,
        "pipeline": pipeline.model_dump(mode="json", exclude_none=True),
        "files": files,
    }
