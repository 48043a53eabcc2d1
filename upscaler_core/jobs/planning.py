"""Many files: which input goes to which output, and which files are left out."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from upscaler_core.errors import InputError, UsageError
from upscaler_core.files.cutoffs import GivenCutoffs
from upscaler_core.files.inputs import file_identity, find_inputs, split_path
from upscaler_core.files.made import OUTPUT_MARK, has_mark, has_tag
from upscaler_core.files.output import (
    RATES,
    OutputSettings,
    build_exporter,
    exporter_options,
    fitting_suffixes,
    highest_rate,
)
from upscaler_core.jobs.manifest import Record, RecordedOutputs
from upscaler_core.jobs.targets import Destination, Target, parse_destination, plan_targets
from upscaler_core.pipeline.spec import PipelineSpec
from upscaler_core.plugins.components import Kind
from upscaler_core.plugins.registry import Registry

MADE = "made by this program"
"""Why a file is left out."""


@dataclass(frozen=True)
class Job:
    """One file to do."""

    source: Path
    target: Path
    """Without a suffix where `suffix` is None. Then `files.output.decide_output` adds the one that suits the source."""
    suffix: str | None
    name: str
    """Path of the source below the input that named it; the whole path where two sources would have one name."""
    before: Record | None = None
    """The manifest's record of an earlier run."""
    cutoffs: GivenCutoffs | None = None
    """What the user's list of cut-offs says of the source; None where it does not name it: then the pipeline decides."""


@dataclass(frozen=True)
class InputRules:
    """How inputs are read and outputs are named.

    Args:
        mark: what is added to the stems of outputs; None = `.upscaled` where they go beside their sources.
        reprocess: take files that this program made, too.
        overwrite: outputs replace what exists, but never a file that was named as an input, also if it was left out.
        folder: where the relative paths of inputs begin, where the pipeline file names them.
        output_folder: the same for the output.
    """

    mark: str | None = None
    reprocess: bool = False
    overwrite: bool = False
    folder: Path = Path()
    output_folder: Path = Path()


@dataclass(frozen=True)
class JobPlan:
    """All files to do."""

    jobs: list[Job]
    folder: Path | None
    """The one that all outputs are in. None for an output that is one file, and for outputs beside their sources."""
    left_out: dict[str, list[Path]] = field(default_factory=dict)
    """What was found and is not done, by the reason: it was …"""


def plan_jobs(
    inputs: Sequence[str | Path],
    output: str | None,
    spec: PipelineSpec,
    registry: Registry,
    rules: InputRules = InputRules(),
) -> JobPlan:
    """Pair every input file with its output.

    Args:
        inputs: files, folders (searched to the bottom for names that a reader knows) and glob patterns.
        output: None = beside each source; a file; a folder (a folder input's tree is mirrored in it); or a template
            with `{stem}`, `{name}` (with suffix) or `{rate}`.
        spec: for the exporter and the target rate.
        registry: for the suffixes.
        rules: how inputs are read and outputs are named.

    Raises:
        UsageError: the output does not fit the inputs, a file that was named would be replaced, or only files were named
            that this program made.
        OptionError: the exporter does not take its options.
        InputError: no input file was found.
    """
    destination = parse_destination(output, rules.output_folder, registry)
    if rules.mark is not None and (destination.file or destination.template):
        raise UsageError(f"--suffix {rules.mark}: the output {output} says all of the name: leave one of them out")
    left_out: defaultdict[str, list[Path]] = defaultdict(list)
    found = find_inputs(
        inputs, registry, destination.folder, folder=rules.folder, left_out=lambda path, why: left_out[why].append(path)
    )
    files = list({(os.path.abspath(file), relative): (file, relative) for file, relative in found}.values())  # noqa: PTH100
    beside = destination == Destination()
    mark = rules.mark if rules.mark is not None else OUTPUT_MARK if beside else ""
    if not rules.reprocess:
        made = _made_files([file for file, _ in files], mark, registry)
        left_out[MADE] += [file for file, _ in files if file in made]
        files = [(file, relative) for file, relative in files if file not in made]
    if not files and left_out.get(MADE):
        raise UsageError(
            f"{left_out[MADE][0]} was {MADE}, and no other audio file was found: add --reprocess to process it again"
        )
    if not files:
        raise InputError(f"no audio file was found in {', '.join(map(str, inputs))}")
    named = spec.export.use if spec.export else ""
    suffix = registry.find(Kind.EXPORTER, named).component.suffixes[0] if named else None
    rate = _template_rate(destination, suffix, spec, registry)
    targets = plan_targets(files, destination, suffix=suffix, mark=mark, rate=rate, registry=registry)
    names = [(relative / file.name).as_posix() for file, relative in files]
    several = {name for name, count in Counter(names).items() if count > 1}
    jobs = [
        Job(file, *target, file.as_posix() if name in several else name)
        for (file, _), target, name in zip(files, targets, names, strict=True)
    ]
    _refuse_to_replace(_named_files(inputs, rules.folder) if rules.overwrite else [], jobs)
    _check_export(targets, spec, registry)
    return JobPlan(jobs, destination.folder, {why: paths for why, paths in left_out.items() if paths})


def output_settings(
    spec: PipelineSpec, *, overwrite: bool = False, skip_existing: bool = False, resumable: bool = False
) -> OutputSettings:
    """The choices of a pipeline file for its outputs."""
    export = spec.export
    return OutputSettings(
        rate=spec.target_rate,
        exporter=(export.use or None) if export else None,
        options=export.options if export else None,
        overwrite=overwrite,
        skip_existing=skip_existing,
        resumable=resumable,
    )


def _made_files(files: Sequence[Path], mark: str, registry: Registry) -> set[Path]:
    """Those that this program made: their name says it, a manifest, or their tags."""
    writable = {suffix for entry in registry.of(Kind.EXPORTER) for suffix in entry.component.suffixes}
    stems: defaultdict[Path, set[str]] = defaultdict(set)
    for file in files:
        stems[file.parent].add(file.stem)
    recorded = RecordedOutputs()
    return {
        file
        for file in files
        if file.suffix.lower() in writable
        and (has_mark(file, mark, stems[file.parent]) or file in recorded or has_tag(file))
    }


def _named_files(inputs: Iterable[str | Path], folder: Path) -> list[Path]:
    """The inputs that are no patterns, and so are not to be touched even where they are left out."""
    return [place for place, rest in (split_path(str(text), folder) for text in inputs if str(text) != "-") if not rest]


def _refuse_to_replace(named: Iterable[Path], jobs: Sequence[Job]) -> None:
    """Refuse to write to a file that is any job's source, or was named as an input, under whatever name.

    Raises:
        UsageError: an output is an input.
    """
    sources = {file_identity(path): path for path in (*named, *(job.source for job in jobs))}
    sources.pop(None, None)
    for job in jobs:
        own = file_identity(job.source)
        candidates = [job.target] if job.suffix is not None else [Path(f"{job.target}{s}") for s in (".flac", ".wav")]
        for target in candidates:
            other = file_identity(target)
            if other is None or other not in sources or sources[other].is_dir():
                continue
            if other == own and job.suffix is not None:
                raise UsageError(f"{target} is the input itself: name another output, the original stays untouched")
            if other != own:
                raise UsageError(
                    f"{target} is an input, and would be replaced by the output of {job.source}: "
                    "name another output by -o, or fewer inputs (or their folder, where results are left out)"
                )


def _check_export(targets: Iterable[Target], spec: PipelineSpec, registry: Registry) -> None:
    """Check the exporter's options for each suffix, before anything is loaded."""
    settings = output_settings(spec)
    for path in {suffix: path for path, suffix in targets}.items():
        suffix, target = path
        if suffix is None:
            fitting_suffixes(None, registry, settings)
        else:
            exporter_options(target, registry, settings)


def _template_rate(destination: Destination, suffix: str | None, spec: PipelineSpec, registry: Registry) -> int:
    """What `{rate}` stands for: the rate of the pipeline file, or the highest one that the format takes."""
    if spec.target_rate or not destination.count_fields("rate"):
        return spec.target_rate or RATES[0]
    writable = {suffix for entry in registry.of(Kind.EXPORTER) for suffix in entry.component.suffixes}
    path = Path(destination.template)
    path = path if path.suffix.lower() in writable else Path(f"x{suffix or ''}")
    # A suffix that is not known yet will be FLAC's or WAV's, and these take the default rate.
    if path.suffix.lower() not in writable:
        return RATES[0]
    return highest_rate(build_exporter(path, registry, output_settings(spec)))
