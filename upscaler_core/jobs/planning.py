"""Many files: which input goes to which output."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from upscaler_core.errors import InputError, UsageError
from upscaler_core.files.cutoffs import GivenCutoffs
from upscaler_core.files.inputs import OUTPUT_MARK, find_inputs, is_folder
from upscaler_core.files.output import OutputSettings, build_exporter, highest_rate
from upscaler_core.jobs.manifest import Record
from upscaler_core.pipeline.spec import PipelineSpec
from upscaler_core.plugins.components import Kind
from upscaler_core.plugins.registry import Registry


@dataclass(frozen=True)
class Job:
    """One file to do."""

    source: Path
    target: Path
    """Without a suffix where `suffix` is None. Then `files.output.decide_output` adds the one that suits the source."""
    suffix: str | None
    name: str
    """Path of the source below the input that named it."""
    before: Record | None = None
    """The manifest's record of an earlier run."""
    cutoffs: GivenCutoffs | None = None
    """What the user's list of cut-offs says of the source; None where it does not name it: then the pipeline decides."""


@dataclass(frozen=True)
class JobPlan:
    """All files to do."""

    jobs: list[Job]
    folder: Path | None
    """The one that all outputs are in. None for an output that is one file, and for outputs beside their sources."""


def plan_jobs(inputs: Sequence[str | Path], output: str | None, spec: PipelineSpec, registry: Registry) -> JobPlan:
    """Pair every input file with its output.

    Args:
        inputs: files, folders (searched to the bottom for names that a reader knows) and glob patterns.
        output: None = beside each source; a file; a folder (a folder input's tree is mirrored in it); or a template
            with `{stem}`, `{name}` (with suffix) or `{rate}`.
        spec: for the exporter and the target rate.
        registry: for the suffixes.

    Raises:
        UsageError: the output does not fit the inputs, or two inputs would share one output.
        InputError: no input file was found.
    """
    writable = {s for entry in registry.of(Kind.EXPORTER) for s in entry.component.suffixes}
    suffix = registry.find(Kind.EXPORTER, spec.export.use).component.suffixes[0] if spec.export else None
    files = list(dict.fromkeys(find_inputs(inputs, registry, output)))
    if not files:
        raise InputError(f"no audio file was found in {', '.join(map(str, inputs))}")
    folder: Path | None = None
    if output is None:
        targets = [(file.with_name(file.stem + OUTPUT_MARK + (suffix or "")), suffix) for file, _ in files]
    elif "{" in output:
        folder = Path(output.partition("{")[0] + "x").parent
        rate = _template_rate(output, suffix, writable, spec, registry)
        targets = [_fill_template(file, relative, output, rate, suffix, writable) for file, relative in files]
    elif _means_folder(output, writable, many=len(files) > 1 or is_folder(inputs[0])):
        folder = Path(output)
        targets = [(folder / relative / (file.stem + (suffix or "")), suffix) for file, relative in files]
    elif len(files) > 1:
        raise UsageError(f"{output} is one file for {len(files)} inputs: name a folder, or a template with {{stem}}")
    else:
        targets = [(Path(output), Path(output).suffix)]
    pairs = zip(files, targets, strict=True)
    jobs = [Job(file, *target, (relative / file.name).as_posix()) for (file, relative), target in pairs]
    _refuse_collisions(jobs)
    return JobPlan(jobs, folder)


def output_settings(
    spec: PipelineSpec, *, overwrite: bool = False, skip_existing: bool = False, resumable: bool = False
) -> OutputSettings:
    """The choices of a pipeline file for its outputs."""
    export = spec.export
    return OutputSettings(
        rate=spec.target_rate if "target_rate" in spec.model_fields_set else None,
        exporter=export.use if export else None,
        options=export.options if export else None,
        overwrite=overwrite,
        skip_existing=skip_existing,
        resumable=resumable,
    )


def _template_rate(
    template: str, suffix: str | None, writable: set[str], spec: PipelineSpec, registry: Registry
) -> int:
    """What `{rate}` stands for: the rate of the pipeline file, or the highest one that the format takes."""
    settings = output_settings(spec)
    path = Path(template if Path(template).suffix.lower() in writable else template + (suffix or ""))
    # A suffix that is not known yet will be FLAC's or WAV's, and these take the default rate.
    if settings.rate or "{rate}" not in template or path.suffix.lower() not in writable:
        return spec.target_rate
    return highest_rate(build_exporter(path, registry, settings))


def _means_folder(output: str, writable: set[str], many: bool) -> bool:
    path = Path(output)
    if is_folder(path) or output.endswith(("/", os.sep)):
        return True
    return path.suffix.lower() not in writable and (many or not path.suffix)


def _fill_template(
    file: Path, relative: Path, template: str, rate: int, suffix: str | None, writable: set[str]
) -> tuple[Path, str | None]:
    """An output and its suffix, which is None where it depends on the source."""
    try:
        filled = template.format(stem=file.stem, name=file.name, rate=rate)
    except (KeyError, IndexError, ValueError):
        raise UsageError(f"{template}: an output template knows {{stem}}, {{name}} and {{rate}}") from None
    path = Path(filled)
    if path.suffix.lower() in writable:
        return path.parent / relative / path.name, path.suffix
    return path.parent / relative / (path.name + (suffix or "")), suffix


def _refuse_collisions(jobs: Sequence[Job]) -> None:
    target, count = Counter(job.target for job in jobs).most_common(1)[0]
    if count > 1:
        sources = " and ".join(str(job.source) for job in jobs if job.target == target)
        raise UsageError(f"{sources} would share the output {target}: use a template such as '{{name}}.flac'")
