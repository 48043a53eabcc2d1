"""The work of `upscaler run` and `upscaler enhance`: check everything, plan the files, process them, sum up."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from upscaler_core.cli import words
from upscaler_core.cli.journal import journal, log_event, log_run
from upscaler_core.cli.options import ProcessingOptions
from upscaler_core.cli.progress import Renderer
from upscaler_core.cli.report import refuse_report, write_report
from upscaler_core.cli.result_counter import ResultCounter
from upscaler_core.cli.run_record import Run
from upscaler_core.cli.starting import erase_start
from upscaler_core.cli.summary import MOST_ROWS, print_summary
from upscaler_core.cli.typed_files import exporter_of, lines_of_left_out, plan_typed
from upscaler_core.errors import SpecError, UpscalerError, UsageError
from upscaler_core.files.cutoffs import CutoffList, read_cutoffs
from upscaler_core.jobs.engines import execute
from upscaler_core.jobs.estimate import Estimate
from upscaler_core.jobs.events import Event, Failed, Recorded, Result
from upscaler_core.jobs.lengths import LengthReader
from upscaler_core.jobs.manifest import EVERYTHING, Manifest, Shard, pipeline_hash
from upscaler_core.jobs.planning import Job, JobPlan
from upscaler_core.jobs.worker import JobSettings
from upscaler_core.pipeline.loading import load
from upscaler_core.pipeline.spec import PipelineSpec
from upscaler_core.pipeline.yaml_document import Setting
from upscaler_core.plugins.registry import DISTRIBUTION, Registry, discover


def process_files(path: Path, inputs: Sequence[str], options: ProcessingOptions) -> None:
    """Send files through a pipeline, and end with the documented exit code.

    Args:
        path: the pipeline file.
        inputs: files, folders and globs; where there are none, the pipeline file names them.
        options: what else was typed.
    """
    if options.overwrite + options.skip_existing + options.resume > 1:
        raise UsageError("--overwrite, --skip-existing and --resume exclude each other")
    if options.report:
        refuse_report(options.report)
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
    erase_start()
    _process(jobs, plan, path, pipeline, manifest, options)


def _process(
    jobs: Sequence[Job],
    plan: JobPlan,
    path: Path,
    pipeline: PipelineSpec,
    manifest: Manifest | None,
    options: ProcessingOptions,
) -> None:
    """Do the jobs, show and record what happens, and sum up."""
    estimate = Estimate(len(jobs), options.jobs)
    renderer = Renderer(len(jobs), quiet=options.quiet, estimate=estimate)
    counter = ResultCounter(keep_results=bool(options.json or options.report or len(jobs) <= MOST_ROWS))
    names = {job.source: job.name for job in jobs}
    began, stopped = time.monotonic(), False
    with journal(options.verbose, options.log, renderer.line) as logger:
        log_run(logger, path, pipeline, len(jobs), options)
        try:
            with renderer, contextlib.closing(_events(jobs, pipeline, manifest, options)) as events:
                for event in _with_estimate(events, estimate, jobs, renderer):
                    if isinstance(event, Recorded) and manifest:
                        manifest.append(event.record)
                    if not options.dry_run or isinstance(event, Failed):
                        renderer(event)
                        log_event(logger, event)
                    counter(event)
        except KeyboardInterrupt:
            stopped = True
        counter.sort([job.source for job in jobs])
        elapsed = time.monotonic() - began
        facts = summary(counter, pipeline, plan, options.dry_run)
        if options.report:
            write_report(options.report, Run(counter.results, names, facts, elapsed, len(jobs)))
        if stopped:
            message = _stopped(counter, len(jobs), manifest, options)
            logger.error(message)
            raise KeyboardInterrupt(message)
        logger.info("ended after %s", words.clock(elapsed))
    if options.json:
        typer.echo(json.dumps(facts, ensure_ascii=False, indent=2))
    if not options.quiet:
        out = renderer.errors if options.json else Console(highlight=False)
        print_summary(out, counter, elapsed, names=names, dry_run=options.dry_run)
        if options.report:
            out.print(f"Report: {options.report}", markup=False, soft_wrap=True)
        sys.stdout.flush()
    raise typer.Exit(counter.exit_code)


def _with_estimate(
    events: Iterable[Event], estimate: Estimate, jobs: Sequence[Job], renderer: Renderer
) -> Iterator[Event]:
    """The events, which the estimate gets first; and to it the lengths of files that have not begun."""
    if len(jobs) < 2 or not renderer.shows_progress:
        for event in events:
            estimate(event)
            yield event
        return
    with LengthReader([job.source for job in jobs]) as lengths:
        for event in events:
            for source, seconds in lengths.new():
                estimate.expect(source, seconds)
            estimate(event)
            yield event


def _stopped(counter: ResultCounter, files: int, manifest: Manifest | None, options: ProcessingOptions) -> str:
    """What the user is told after Ctrl-C: what is done, and how to go on."""
    done = counter.done + counter.skipped
    if options.dry_run:
        return "Stopped. Nothing was written."
    if files == 1:
        return "Stopped. The output was not written." if not done else "Stopped. The file is done."
    how = "the same command with --resume" if manifest else "the same command with --skip-existing"
    if options.resume or options.skip_existing:
        how = "the same command again"
    elif options.overwrite and manifest:
        how = "the same command with --resume instead of --overwrite"
    elif options.overwrite:
        how = "the same command with --skip-existing instead of --overwrite"
    return f"Stopped. {done} of {files} files are done; run {how} to continue."


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
        overwrite=options.overwrite,
        resume=options.resume,
        skip_existing=options.skip_existing,
        strict=options.strict,
        keep_times=options.keep_times,
        pipeline_hash=manifest.pipeline_hash if manifest else "",
        dry_run=options.dry_run,
        resumable=manifest is not None and manifest.exists,
    )
    records = manifest.read() if manifest and options.resume else {}
    with_records = (replace(job, before=records.get(job.name)) for job in jobs)
    yield from execute(with_records, settings, options.jobs, "local" if options.dry_run else options.engine)


def summary(counter: ResultCounter, pipeline: PipelineSpec, plan: JobPlan, dry_run: bool) -> dict[str, Any]:
    """The `--json` object."""
    return {
        "version": 1,
        "exit_code": counter.exit_code,
        "dry_run": dry_run,
        "program": f"{DISTRIBUTION} {metadata.version(DISTRIBUTION)}",
        "ended": datetime.now().astimezone().isoformat(sep=" ", timespec="seconds"),
        "pipeline": pipeline.with_refs(lambda path, kind, ref: ref.complete()).model_dump(
            mode="json", exclude_none=True
        ),
        "files": [_file(result, dry_run) for result in counter.results],
        "left_out": [{"source": str(path), "reason": why} for why, paths in plan.left_out.items() for path in paths],
    }


def _file(result: Result, dry_run: bool) -> dict[str, Any]:
    """The object of one file. A skipped file has what the manifest knows of it."""
    record = words.record_of(result) or result
    facts = asdict(record)
    for name in ("source", "target"):
        if name in facts:
            facts[name] = str(facts[name])
    facts.pop("earlier", None)
    return {"status": words.status_of(result, dry_run), **facts}
