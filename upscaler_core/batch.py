"""Many files: which input goes to which output."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from upscaler_core.components import Kind
from upscaler_core.errors import InputError, UsageError
from upscaler_core.manifest import Record
from upscaler_core.registry import Registry
from upscaler_core.spec import PipelineSpec

MARK = ".upscaled"
"""What the name of an output beside its source ends with; folders are searched without such files."""

RATES = (96_000, 88_200, 48_000, 44_100, 32_000, 22_050, 16_000, 8_000)
"""What is tried, Hz, from the default down, where nobody asked for a rate."""


@dataclass(frozen=True)
class Job:
    """One file to do. A target without a suffix gets the one that suits the source (`audio.default_suffix`)."""

    source: Path
    target: Path
    suffix: str | None
    name: str
    """Path of the source below the input that named it."""
    before: Record | None = None
    """What the manifest has of it."""


@dataclass(frozen=True)
class Plan:
    """What is to be done."""

    jobs: list[Job]
    folder: Path | None
    """The one that all outputs are in; None for an output that is one file, and for outputs beside their sources."""


def plan(inputs: Sequence[str | Path], output: str | None, spec: PipelineSpec, registry: Registry) -> Plan:
    """Pair every input file with its output.

    Args:
        inputs: files, folders (searched to the bottom for names that a reader knows) and glob patterns.
        output: None = beside each source; a file; a folder (a folder input's tree is mirrored in it); or a template
            with `{stem}`, `{name}` (with suffix) or `{rate}`.
        spec: for the exporter and the target rate.
        registry: for the suffixes.

    Raises:
        UsageError: the output does not fit the inputs, or two inputs would share one output.
        InputError: nothing was found.
    """
    writable = {s for entry in registry.of(Kind.EXPORTER) for s in entry.component.suffixes}
    suffix = registry.find(Kind.EXPORTER, spec.export.use).component.suffixes[0] if spec.export else None
    found = list(dict.fromkeys(find(inputs, output, registry)))
    if not found:
        raise InputError(f"no audio file was found in {', '.join(map(str, inputs))}")
    folder: Path | None = None
    if output is None:
        targets = [(file.with_name(file.stem + MARK + (suffix or "")), suffix) for file, _ in found]
    elif "{" in output:
        folder = Path(output.partition("{")[0] + "x").parent
        written = output if Path(output).suffix.lower() in writable else f"x{suffix or ''}"
        rate = rate_of(Path(written), spec, registry) if "{rate}" in output else spec.target_rate
        targets = [_templated(file, relative, output, rate, suffix, writable) for file, relative in found]
    elif _is_folder(output, writable, many=len(found) > 1 or _is_dir(inputs[0])):
        folder = Path(output)
        targets = [(folder / relative / (file.stem + (suffix or "")), suffix) for file, relative in found]
    elif len(found) > 1:
        raise UsageError(f"{output} is one file for {len(found)} inputs: name a folder, or a template with {{stem}}")
    else:
        targets = [(Path(output), Path(output).suffix)]
    pairs = zip(found, targets, strict=True)
    jobs = [Job(file, *target, (relative / file.name).as_posix()) for (file, relative), target in pairs]
    _refuse_collisions(jobs)
    return Plan(jobs, folder)


def find(inputs: Sequence[str | Path], output: str | None, registry: Registry) -> Iterator[tuple[Path, Path]]:
    """Yield each input file with its folder relative to the input that named it."""
    readable = {s for entry in registry.of(Kind.READER) for s in entry.component.suffixes}
    written = Path(output).resolve() if output and "{" not in output else None
    for given in inputs:
        path = Path(given)
        if _is_dir(path):
            unread: list[OSError] = []
            for folder, folders, names in os.walk(path, onerror=unread.append):
                here = Path(folder)
                if written and here.resolve() == written and here != path:
                    folders.clear()
                    continue
                folders.sort()
                for name in sorted(names):
                    file = here / name
                    if file.suffix.lower() in readable and name[0] != "." and not file.stem.endswith(MARK):
                        yield file, here.relative_to(path)
            for error in unread:  # a folder that may not be read fails as a file does
                yield Path(error.filename), Path(error.filename).relative_to(path)
        elif not glob.has_magic(str(given)) or path.exists():
            yield path, Path()
        else:
            for match in sorted(glob.glob(str(given), recursive=True)):  # noqa: PTH207 - takes absolute patterns too
                if not _is_dir(match):
                    yield Path(match), Path()


def rate_of(target: Path, spec: PipelineSpec, registry: Registry) -> int:
    """The rate that was asked for; where none was, the highest of `RATES` that the target's format takes."""
    if "target_rate" in spec.model_fields_set:
        return spec.target_rate
    from upscaler_core.audio import exporter_of

    exporter = exporter_of(target, registry, export_options(spec))
    return next((rate for rate in RATES if exporter.refuse(rate, 1) is None), spec.target_rate)


def export_options(spec: PipelineSpec) -> dict[str, Any]:
    """A pipeline file's `export`, if any."""
    return {"use": spec.export.use, **spec.export.options} if spec.export else {}


def _is_dir(path: str | Path) -> bool:
    """Whether it is known to be a folder: `Path.is_dir` raises where that may not be asked, and on too long names."""
    return os.path.isdir(path)  # noqa: PTH112


def _is_folder(output: str, writable: set[str], many: bool) -> bool:
    path = Path(output)
    if _is_dir(path) or output.endswith(("/", os.sep)):
        return True
    return path.suffix.lower() not in writable and (many or not path.suffix)


def _templated(
    file: Path, relative: Path, template: str, rate: int, suffix: str | None, writable: set[str]
) -> tuple[Path, str | None]:
    """An output and its suffix, if it is settled."""
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
        both = " and ".join(str(job.source) for job in jobs if job.target == target)
        raise UsageError(f"{both} would share the output {target}: use a template such as '{{name}}.flac'")
