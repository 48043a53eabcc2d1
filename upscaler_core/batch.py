"""Many files: which input goes to which output, and the work itself, in this process or in several."""

from __future__ import annotations

import contextlib
import glob
import multiprocessing
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upscaler_core.components import Kind
from upscaler_core.errors import InputError, OutputError, UpscalerError, UsageError
from upscaler_core.events import Event, Failed, Finished, OnEvent, Skipped, ignore
from upscaler_core.registry import Registry, discover
from upscaler_core.spec import PipelineSpec

if TYPE_CHECKING:
    from upscaler_core.pipeline import Pipeline

MARK = ".upscaled"
"""What the name of an output beside its source ends with; folders are searched without such files."""

RATES = (96_000, 88_200, 48_000, 44_100, 32_000, 22_050, 16_000, 8_000)
"""What is tried, Hz, from the default down, where nobody asked for a rate."""

Result = Finished | Skipped | Failed

GRACE_SECONDS = 10
"""How long a worker process may take to clean up."""


@dataclass(frozen=True)
class Job:
    """One file to do. A target without a suffix gets the one that suits the source (`audio.default_suffix`)."""

    source: Path
    target: Path
    suffix: str | None


@dataclass(frozen=True)
class Task:
    """What to do with every file."""

    spec: PipelineSpec
    device: str = "cpu"
    overwrite: bool = False
    skip_existing: bool = False
    strict: bool = False


def plan(inputs: Sequence[str | Path], output: str | None, spec: PipelineSpec, registry: Registry) -> list[Job]:
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
    if output is None:
        jobs = [Job(file, file.with_name(file.stem + MARK + (suffix or "")), suffix) for file, _ in found]
    elif "{" in output:
        written = output if Path(output).suffix.lower() in writable else f"x{suffix or ''}"
        rate = rate_of(Path(written), spec, registry) if "{rate}" in output else spec.target_rate
        jobs = [_templated(file, relative, output, rate, suffix, writable) for file, relative in found]
    elif _is_folder(output, writable, many=len(found) > 1 or _is_dir(inputs[0])):
        folder = Path(output)
        jobs = [Job(file, folder / relative / (file.stem + (suffix or "")), suffix) for file, relative in found]
    elif len(found) > 1:
        raise UsageError(f"{output} is one file for {len(found)} inputs: name a folder, or a template with {{stem}}")
    else:
        jobs = [Job(found[0][0], Path(output), Path(output).suffix)]
    _refuse_collisions(jobs)
    return jobs


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


def _templated(file: Path, relative: Path, template: str, rate: int, suffix: str | None, writable: set[str]) -> Job:
    try:
        filled = template.format(stem=file.stem, name=file.name, rate=rate)
    except (KeyError, IndexError, ValueError):
        raise UsageError(f"{template}: an output template knows {{stem}}, {{name}} and {{rate}}") from None
    path = Path(filled)
    if path.suffix.lower() in writable:
        return Job(file, path.parent / relative / path.name, path.suffix)
    return Job(file, path.parent / relative / (path.name + (suffix or "")), suffix)


def _refuse_collisions(jobs: Sequence[Job]) -> None:
    target, count = Counter(job.target for job in jobs).most_common(1)[0]
    if count > 1:
        both = " and ".join(str(job.source) for job in jobs if job.target == target)
        raise UsageError(f"{both} would share the output {target}: use a template such as '{{name}}.flac'")


def execute(jobs: Sequence[Job], task: Task, workers: int, on_event: OnEvent) -> list[Result]:
    """Do all jobs, and tell what came of each, in their order. One file's failure is its own.

    Args:
        jobs: from `plan`.
        task: what to do with each.
        workers: processes at a time. One that dies takes only the file with it that it was at.
        on_event: is told what happens, results included.

    Raises:
        UpscalerError: the pipeline itself cannot be assembled.
    """
    context = multiprocessing.get_context("spawn")
    waiting = list(enumerate(jobs))[::-1]
    results: dict[int, Result] = {}
    busy: dict[Connection, tuple[Any, int]] = {}
    processes: list[Any] = []

    def start() -> None:
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(there, task), daemon=True)
        process.start()
        processes.append(process)
        there.close()
        hand_out(here, process)

    def hand_out(connection: Connection, process: Any) -> None:
        if waiting:
            index, job = waiting.pop()
            busy[connection] = process, index
            connection.send(job)
        else:
            connection.close()

    def done(index: int, result: Result) -> None:
        results[index] = result
        on_event(result)

    try:
        for _ in range(min(workers, len(jobs))):
            start()
        while busy:
            for ready in wait(list(busy)):
                assert isinstance(ready, Connection)  # noqa: S101 - what `wait` was given
                process, index = busy[ready]
                try:
                    event: Event | UpscalerError = ready.recv()
                except (EOFError, OSError):
                    del busy[ready]
                    process.join()
                    source = jobs[index].source
                    done(index, Failed(source, f"{source}: the process crashed (exit {process.exitcode})", 1))
                    if waiting:
                        start()
                    continue
                if isinstance(event, UpscalerError):
                    raise event
                if isinstance(event, Finished | Skipped | Failed):
                    del busy[ready]
                    done(index, event)
                    hand_out(ready, process)
                else:
                    on_event(event)
    finally:
        for connection in busy:
            connection.close()  # ends a worker at its next event
        for process in processes:
            process.join(GRACE_SECONDS)
            process.kill()
    return [results[index] for index in range(len(jobs))]


def rehearse(jobs: Sequence[Job], task: Task, on_event: OnEvent) -> list[Result]:
    """Say what `execute` would do, from the files' headers alone; `on_event` is told what would fail."""
    worker = Worker(task)
    results = [worker.do(job, ignore, rehearse=True) for job in jobs]
    for result in results:
        if isinstance(result, Failed):
            on_event(result)
    return results


class Worker:
    """A pipeline, assembled once, that does one job after the other, in one thread: cores are used by processes, and the
    last bits of a batched FFT or GEMM change with the number of threads.
    """

    def __init__(self, task: Task) -> None:
        import torch

        from upscaler_core.assemble import assemble

        torch.set_num_threads(1)
        self.task = task
        self.registry = discover()
        self.pipeline: Pipeline = assemble(task.spec, self.registry, task.device)

    def do(self, job: Job, on_event: OnEvent, *, rehearse: bool = False) -> Result:
        """Do one job, or only say what would come of it; every failure becomes a `Failed`."""
        try:
            return self._do(job, on_event, rehearse)
        except UpscalerError as error:
            return Failed(job.source, str(error), error.exit_code)
        except OSError as error:  # of names and folders; reading and writing have sentences of their own
            reason = f"{error.filename or job.source}: {error.strerror or error}"
            return Failed(job.source, reason, OutputError.exit_code)
        except MemoryError:
            return Failed(job.source, f"{job.source}: not enough memory", OutputError.exit_code)
        except Exception as error:
            if os.environ.get("UPSCALER_DEBUG"):
                raise
            reason = f"{type(error).__name__}: {error}"
            return Failed(job.source, f"{job.source}: a bug, please report it ({reason})", UpscalerError.exit_code)

    def _do(self, job: Job, on_event: OnEvent, rehearse: bool) -> Result:
        from upscaler_core.audio import convert

        target = self.target_of(job)
        if self.task.skip_existing and target.exists():
            return Skipped(job.source, target)
        return convert(
            replace(self.pipeline, target_rate=rate_of(target, self.task.spec, self.registry)),
            job.source,
            target,
            registry=self.registry,
            export=export_options(self.task.spec),
            overwrite=self.task.overwrite,
            strict=self.task.strict,
            rehearse=rehearse,
            on_event=on_event,
        )

    def target_of(self, job: Job) -> Path:
        """The job's output, with the suffix that suits the source where none was asked for."""
        if job.suffix is not None:
            return job.target
        from upscaler_core.audio import default_suffix, open_source

        with open_source(job.source, self.registry) as source:
            suffix = default_suffix(source.info, self.task.spec.target_rate, self.registry)
        return job.target.with_name(job.target.name + suffix)


def _serve(connection: Connection, task: Task) -> None:
    """A worker process: jobs in, events and results out, until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the first one ends the others
    _silence_libraries()
    with contextlib.suppress(EOFError, OSError):
        try:
            worker = Worker(task)
        except UpscalerError as error:  # of the pipeline itself: the other end raises it
            connection.send(error)
            return
        while True:
            connection.send(worker.do(connection.recv(), connection.send))


def _silence_libraries() -> None:
    """Send nowhere what C libraries print to standard error, as libmpg123 does of damaged files; Python's own is kept."""
    sys.stderr = open(os.dup(2), "w", buffering=1, errors="backslashreplace")  # noqa: SIM115, PTH123 - for good
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 2)
