"""The work of `upscaler run` and `upscaler enhance`: check everything, plan the files, process them, sum up."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import typer

from upscaler_core.cli.options import ProcessingOptions
from upscaler_core.cli.progress import MOST_ROWS, Renderer
from upscaler_core.cli.result_counter import ResultCounter
from upscaler_core.errors import OptionError, SpecError, UpscalerError, UsageError
from upscaler_core.files.cutoffs import CutoffList, read_cutoffs
from upscaler_core.files.output import find_exporter
from upscaler_core.jobs.engines import execute
from upscaler_core.jobs.events import Event, Failed, Recorded, Skipped
from upscaler_core.jobs.manifest import EVERYTHING, Manifest, Shard, pipeline_hash
from upscaler_core.jobs.planning import MADE, InputRules, Job, JobPlan, plan_jobs
from upscaler_core.jobs.worker import JobSettings, dry_run
from upscaler_core.pipeline.events import Finished
from upscaler_core.pipeline.loading import load
from upscaler_core.pipeline.spec import ComponentRef, PipelineSpec
from upscaler_core.pipeline.yaml_document import Setting
from upscaler_core.plugins.components import Kind, suggest
from upscaler_core.plugins.registry import Registry, discover

MOST_NAMES = 3
"""Files that are named where some were left out; the others are counted."""


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
    plan = _plan(path, inputs, pipeline, registry, options)
    if not options.quiet:
        for line in told_as_left_out(plan):
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
        settings.append(Setting("export.use", _exporter_of(options.format, registry), f"--format {options.format}"))
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
    if options.no_limit:
        others = [finisher for finisher in pipeline.finish if not _limits(finisher, registry)]
        pipeline = pipeline.model_copy(update={"finish": others})
    return pipeline


def _limits(finisher: ComponentRef, registry: Registry) -> bool:
    """Whether a finisher is a limiter. Only the built one says so (`protocols.Finisher`)."""
    return bool(getattr(registry.build(Kind.FINISHER, finisher.use, finisher.options), "limits", False))


def _exporter_of(text: str, registry: Registry) -> str:
    """The exporter of a format, which is called as the exporter is, or by a suffix.

    Raises:
        UsageError: nothing writes that format.
    """
    name = text.lower().removeprefix(".")
    entries = registry.of(Kind.EXPORTER)
    found = [e for e in entries if name in (e.component.name, *(s[1:] for s in e.component.suffixes))]
    if not found:
        raise UsageError(f"--format {text}: {suggest(name, [entry.component.name for entry in entries])}")
    return found[0].component.name


def _plan(
    path: Path, typed: Sequence[str], pipeline: PipelineSpec, registry: Registry, options: ProcessingOptions
) -> JobPlan:
    """Which input goes to which output. What the pipeline file names begins at its own folder.

    Raises:
        UsageError: no input was named, or an exporter's option is wrong.
    """
    inputs = [*typed, *(read_input_list(options.input_list) if options.input_list else ())]
    own = not inputs and not options.input_list
    inputs = list(pipeline.input) if own else inputs
    if not inputs:
        raise UsageError("name at least one input: a file, a folder or a glob")
    output = options.output if options.output is not None else pipeline.output
    rules = InputRules(
        _checked_mark(options.suffix),
        options.reprocess,
        path.parent if own else Path(),
        path.parent if options.output is None else Path(),
    )
    try:
        plan = plan_jobs(inputs, output, pipeline, registry, rules)
    except OptionError as error:
        raise UsageError("\n".join(_told_as_typed(error, path, options))) from None
    if options.format is not None and output is not None:
        for job in plan.jobs:
            if job.suffix and find_exporter(job.target, registry).component.name != _exporter_of(
                options.format, registry
            ):
                raise UsageError(f"--format {options.format}: the output {output} ends in {job.suffix}")
    return plan


def _told_as_typed(error: OptionError, path: Path, options: ProcessingOptions) -> Iterator[str]:
    """The faults of an exporter's options, in the words that the user typed."""
    typed = {setting.key: setting.typed for setting in options.pipeline_settings}
    for fault in error.faults:
        key = ".".join(map(str, ("export", *fault.path)))
        where = typed.get(key) or typed.get("export") or f"{path}: {key}"
        if fault.at_key:
            known = fault.sentence.removeprefix("unknown key; ")
            yield f"{where}: the format '{error.component}' has no option '{fault.path[-1]}'; {known}"
        else:
            yield f"{where}: for the format '{error.component}' it {fault.sentence}"


def _checked_mark(suffix: str | None) -> str | None:
    """`--suffix`, as it was typed.

    Raises:
        UsageError: it would lead to another folder.
    """
    if suffix is not None and any(separator in suffix for separator in ("/", "\\", "\0")):
        raise UsageError(f"--suffix {suffix}: it is a part of a name, and has no slash: name a folder by -o")
    return suffix


def read_input_list(path: Path) -> list[str]:
    """The inputs that a text file names, one in each line. Empty lines count for nothing, nor do those that begin with #.

    Raises:
        UsageError: the file cannot be read, or names nothing.
    """
    try:
        text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise UsageError(f"--input-list {path}: it cannot be read: {error.strerror}") from None
    lines = [line for line in text.splitlines() if line.strip() and (line[0] != "#" or os.path.lexists(line))]
    if not lines:
        raise UsageError(f"--input-list {path}: it names no input: write one in each line")
    return lines


def told_as_left_out(plan: JobPlan) -> Iterator[str]:
    """A line for each reason why files are left out, with their count and some of their names."""
    for why, paths in plan.left_out.items():
        count = f"{len(paths):,} files were left out, because they were"
        if len(paths) == 1:
            count = "1 file was left out, because it was"
        names = ", ".join(str(path) for path in paths[:MOST_NAMES])
        more = f" and {len(paths) - MOST_NAMES:,} more" if len(paths) > MOST_NAMES else ""
        remedy = " (--reprocess takes such files, too)" if why == MADE else ""
        yield f"{count} {why}: {names}{more}{remedy}"


def _with_cutoffs(
    jobs: list[Job], listed: CutoffList | None, pipeline: PipelineSpec, options: ProcessingOptions
) -> list[Job]:
    """The jobs with what the user's list says of their sources. A row for no source is told."""
    if listed is None:
        return jobs
    cutoffs, strays = listed.assigned([(job.source, job.name) for job in jobs])
    for stray in strays if not options.quiet else ():
        typer.echo(f"warning: {stray}", err=True)
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
    files = [{"status": status[type(result)], **asdict(result)} for result in counter.results]
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
