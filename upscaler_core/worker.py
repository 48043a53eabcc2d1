"""One worker process: files in, events out."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING

from upscaler_core.batch import Job, export_options, rate_of
from upscaler_core.errors import OutputError, UpscalerError
from upscaler_core.events import Failed, OnEvent, Recorded, Result, Skipped, ignore
from upscaler_core.manifest import Fingerprint, Record, pipeline_hash
from upscaler_core.registry import discover
from upscaler_core.spec import PipelineSpec

if TYPE_CHECKING:
    from upscaler_core.pipeline import Pipeline

IDLE_SECONDS = 60
"""How long a process waits for its next file."""


@dataclass(frozen=True)
class Task:
    """What to do with every file."""

    spec: PipelineSpec
    device: str = "cpu"
    overwrite: bool = False
    skip_existing: bool = False
    strict: bool = False
    pipeline: str = ""
    """From `pipeline_hash`, where it is to be recorded what was done."""
    folder: str = ""
    """Where relative paths begin; as here by default."""


def rehearse(jobs: Iterable[Job], task: Task) -> Iterator[Result]:
    """Say what would come of each job, from the files' headers alone."""
    worker = Worker(task)
    for job in jobs:
        yield worker.do(job, ignore, rehearse=True)


class Worker:
    """A pipeline, assembled once, that does one job after the other, in one thread: cores are used by processes, and the
    last bits of a batched FFT or GEMM change with the number of threads.
    """

    def __init__(self, task: Task) -> None:
        import torch

        from upscaler_core.assemble import assemble

        torch.set_num_threads(1)
        self.task = task
        self.registry = discover().add_files(task.spec.plugins)
        if task.pipeline and pipeline_hash(task.spec, self.registry, task.device) != task.pipeline:
            raise UpscalerError(f"{gethostname()} has other weights, or other versions, than the run was started with")
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
        if job.before and job.before.holds(job.source, target):
            return Skipped(job.source, target)
        if self.task.skip_existing and target.exists():
            return Skipped(job.source, target)
        began = _facts(job.source)
        result = convert(
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
        if self.task.pipeline and not rehearse:
            source = Fingerprint.of(job.source)
            if (source.size, source.mtime_ns) == began:  # not written to meanwhile
                record = Record(job.name, target, source, Fingerprint.of(target))
                on_event(Recorded(job.source, record))
        return result

    def target_of(self, job: Job) -> Path:
        """The job's output, with the suffix that suits the source where none was asked for."""
        if job.suffix is not None:
            return job.target
        from upscaler_core.audio import default_suffix, open_source

        with open_source(job.source, self.registry) as source:
            suffix = default_suffix(source.info, self.task.spec.target_rate, self.registry)
        return job.target.with_name(job.target.name + suffix)


def _facts(path: Path) -> tuple[int, int] | None:
    """Size and time of change; what cannot be asked is said when it is opened."""
    try:
        facts = path.stat()
    except (OSError, ValueError):
        return None
    return facts.st_size, facts.st_mtime_ns


def serve(connection: Connection, task: Task) -> None:
    """A worker process: jobs in, events and results out, until the other end closes or nothing comes for a while."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the first one ends the others
    _silence_libraries()
    with contextlib.suppress(EOFError, OSError):
        try:
            _go_to(task.folder)
            worker = Worker(task)
        except UpscalerError as error:  # of the pipeline itself: the other end raises it
            connection.send(error)
            return
        while connection.poll(IDLE_SECONDS):
            connection.send(worker.do(connection.recv(), connection.send))


def _go_to(folder: str) -> None:
    try:
        os.chdir(folder or ".")
    except OSError as error:
        raise UpscalerError(f"{gethostname()} has no folder {folder}: {error.strerror}") from None


def _silence_libraries() -> None:
    """Send nowhere what C libraries print to standard error, as libmpg123 does of damaged files; Python's own is kept."""
    sys.stderr = open(os.dup(2), "w", buffering=1, errors="backslashreplace")  # noqa: SIM115, PTH123 - for good
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 2)
