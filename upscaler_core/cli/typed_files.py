"""What was typed about files, as a plan: inputs, lists of inputs, outputs and their formats; and what is said about it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from upscaler_core.cli.options import ProcessingOptions
from upscaler_core.errors import OptionError, UsageError
from upscaler_core.files.output import find_exporter
from upscaler_core.jobs.planning import MADE, InputRules, JobPlan, plan_jobs
from upscaler_core.pipeline.spec import PipelineSpec
from upscaler_core.plugins.components import Kind, suggest
from upscaler_core.plugins.registry import Registry

MOST_NAMES = 3
"""Files that are named where some were left out; the others are counted."""


def plan_typed(
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
        options.overwrite or options.resume,
        path.parent if own else Path(),
        path.parent if options.output is None else Path(),
    )
    try:
        plan = plan_jobs(inputs, output, pipeline, registry, rules)
    except OptionError as error:
        raise UsageError("\n".join(_told_as_typed(error, path, options))) from None
    if options.format is not None and output is not None:
        for job in plan.jobs:
            if job.suffix and find_exporter(job.target, registry).component.name != exporter_of(
                options.format, registry
            ):
                raise UsageError(f"--format {options.format}: the output {output} ends in {job.suffix}")
    return plan


def exporter_of(text: str, registry: Registry) -> str:
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


def lines_of_left_out(plan: JobPlan) -> Iterator[str]:
    """A line for each reason why files are left out, with their count and some of their names."""
    for why, paths in plan.left_out.items():
        count = f"{len(paths):,} files were left out, because they were"
        if len(paths) == 1:
            count = "1 file was left out, because it was"
        names = ", ".join(str(path) for path in paths[:MOST_NAMES])
        more = f" and {len(paths) - MOST_NAMES:,} more" if len(paths) > MOST_NAMES else ""
        remedy = " (--reprocess takes such files, too)" if why == MADE else ""
        yield f"{count} {why}: {names}{more}{remedy}"
