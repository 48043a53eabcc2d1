"""What `upscaler run` and `upscaler enhance` do: check everything, plan the files, do them, sum up."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer

from upscaler_core import batch, spec
from upscaler_core.cli.render import Renderer
from upscaler_core.cli.run import Request
from upscaler_core.errors import UpscalerError, UsageError
from upscaler_core.events import Failed, Finished, Skipped
from upscaler_core.registry import Registry, discover


def process(path: Path, request: Request) -> None:
    """Check everything, plan the files, do them, and end with the documented exit code."""
    if request.overwrite and request.skip_existing:
        raise UsageError("--overwrite and --skip-existing exclude each other")
    registry = discover()
    pipeline = _checked(path, registry, request)
    inputs: list[str] = list(request.inputs) or [os.path.normpath(path.parent / given) for given in pipeline.input]
    output = request.output
    if output is None and pipeline.output is not None:
        output = os.path.normpath(path.parent / pipeline.output) + "/" * pipeline.output.endswith("/")
    if not inputs:
        raise UsageError("name at least one input: a file, a folder or a glob")
    jobs = batch.plan(inputs, output, pipeline, registry)
    task = batch.Task(pipeline, request.device, request.overwrite, request.skip_existing, request.strict)
    renderer = Renderer(len(jobs), quiet=request.quiet, summary_to_stderr=request.json)
    with renderer:
        if request.dry_run:
            results = batch.rehearse(jobs, task, renderer)
        else:
            results = batch.execute(jobs, task, request.jobs, renderer)
    if request.json:
        typer.echo(json.dumps(summary(results, pipeline, request.dry_run), ensure_ascii=False, indent=2))
    renderer.summary(results, dry_run=request.dry_run)
    raise typer.Exit(exit_code(results))


def _checked(path: Path, registry: Registry, request: Request) -> spec.PipelineSpec:
    """The pipeline file, after trying the settings: a fault in what was typed is the user's (2), not the file's (3)."""
    pipeline = spec.load(path, registry)
    try:
        pipeline = spec.load(path, registry, request.settings) if request.settings else pipeline
    except UpscalerError as error:
        raise UsageError(str(error)) from None
    if request.no_limit:
        kept = [use for use in pipeline.finish if use.use.split("/")[-1] != "limiter"]
        pipeline = pipeline.model_copy(update={"finish": kept})
    return pipeline


def exit_code(results: Sequence[object]) -> int:
    """0 all done; 1 some failed; where all failed for one reason, that reason's code."""
    codes = [result.exit_code for result in results if isinstance(result, Failed)]
    if not codes:
        return 0
    return codes[0] if len(set(codes)) == 1 and len(codes) == len(results) else 1


def summary(results: Sequence[batch.Result], pipeline: spec.PipelineSpec, dry_run: bool) -> dict[str, Any]:
    """The `--json` object."""
    status = {Finished: "would be done" if dry_run else "done", Skipped: "skipped", Failed: "failed"}
    files = [{"status": status[type(result)], **asdict(result)} for result in results]
    for file in files:
        for key in ("source", "target"):
            if key in file:
                file[key] = str(file[key])
    return {
        "version": 1,
        "exit_code": exit_code(results),
        "dry_run": dry_run,
        "pipeline": pipeline.model_dump(mode="json", exclude_none=True),
        "files": files,
    }
