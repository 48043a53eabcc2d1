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

from upscaler_core.errors import OutputError, UpscalerError
from upscaler_core.jobs.events import Failed, OnEvent, Recorded, Result, Skipped
from upscaler_core.jobs.manifest import Fingerprint, Record, pipeline_hash
from upscaler_core.jobs.planning import Job, output_settings
from upscaler_core.pipeline.check import with_checked_options
from upscaler_core.pipeline.events import ignore
from upscaler_core.pipeline.spec import PipelineSpec
from upscaler_core.plugins.registry import discover

if TYPE_CHECKING:
    from upscaler_core.pipeline.pipeline import Pipeline

IDLE_SECONDS = 60
"""How long a process waits for its next file."""


@dataclass(frozen=True)
class JobSettings:
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


def dry_run(jobs: Iterable[Job], settings: JobSettings) -> Iterator[Result]:
    """Say what would come of each job, from the files' headers alone."""
    worker = Worker(settings)
    for job in jobs:
        yield worker.do(job, ignore, dry_run=True)


class Worker:
    """A pipeline, assembled once, that does one job after the other, in one thread: cores are used by processes, and the
    last bits of a batched FFT or GEMM change with the number of threads.
    """

    def __init__(self, settings: JobSettings) -> None:
        import torch

        from upscaler_core.pipeline.assembly import assemble

        torch.set_num_threads(1)
        self.registry = discover().add_files(settings.spec.plugins)
        self.settings = settings = replace(settings, spec=with_checked_options(settings.spec, self.registry))
        if settings.pipeline and pipeline_hash(settings.spec, self.registry, settings.device) != settings.pipeline:
            raise UpscalerError(f"{gethostname()} has other weights, or other versions, than the run was started with")
        self.pipeline: Pipeline = assemble(settings.spec, self.registry, settings.device)

    def do(self, job: Job, on_event: OnEvent, *, dry_run: bool = False) -> Result:
        """Do one job, or only say what would come of it; every failure becomes a `Failed`."""
        try:
            return self._do(job, on_event, dry_run)
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

    def _do(self, job: Job, on_event: OnEvent, dry_run: bool) -> Result:
        from upscaler_core.files.output import decide_output
        from upscaler_core.files.recording import open_recording
        from upscaler_core.pipeline.conversion import convert, expected_result

        settings = self.settings
        if job.before and job.may_be(job.before.target) and job.before.holds(job.source):
            return Skipped(job.source, job.before.target)
        if settings.skip_existing and job.suffix is not None and job.target.exists():
            return Skipped(job.source, job.target)
        began = _facts(job.source)
        with open_recording(job.source, self.registry) as recording:
            asked = output_settings(settings.spec, overwrite=settings.overwrite or settings.skip_existing)
            output = decide_output(recording, job.target, self.registry, asked, add_suffix=job.suffix is None)
            if settings.skip_existing and output.path.exists():
                return Skipped(job.source, output.path)
            if dry_run:
                return expected_result(recording, output)
            result = convert(self.pipeline, recording, output, strict=settings.strict, on_event=on_event)
        if settings.pipeline:
            source = Fingerprint.of(job.source)
            if (source.size, source.mtime_ns) == began:  # not written to meanwhile
                on_event(Recorded(job.source, Record(job.name, output.path, source, Fingerprint.of(output.path))))
        return result


def _facts(path: Path) -> tuple[int, int] | None:
    """Size and time of change; what cannot be asked is said when it is opened."""
    try:
        facts = path.stat()
    except (OSError, ValueError):
        return None
    return facts.st_size, facts.st_mtime_ns


def serve(connection: Connection, settings: JobSettings) -> None:
    """A worker process: jobs in, events and results out, until the other end closes or nothing comes for a while."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the first one ends the others
    _silence_libraries()
    with contextlib.suppress(EOFError, OSError):
        try:
            _go_to(settings.folder)
            worker = Worker(settings)
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
