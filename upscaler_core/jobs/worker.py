"""A worker process: it receives jobs, and sends back events and results."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import sys
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING

from upscaler_core.errors import OutputError, UpscalerError
from upscaler_core.jobs.events import Failed, OnEvent, Recorded, Result, Skipped
from upscaler_core.jobs.manifest import Fingerprint, Record, RecordedOutputs, pipeline_hash
from upscaler_core.jobs.planning import Job, output_settings
from upscaler_core.pipeline.loading import with_checked_options
from upscaler_core.pipeline.spec import PipelineSpec
from upscaler_core.plugins.registry import discover

if TYPE_CHECKING:
    from upscaler_core.pipeline.pipeline import Pipeline

IDLE_SECONDS = 60
"""How long a process waits for its next job before it ends."""


@dataclass(frozen=True)
class JobSettings:
    """What to do with every file.

    Args:
        spec: the pipeline file.
        device: where the models run.
        overwrite: replace outputs that exist.
        resume: replace outputs that exist where this program made them.
        skip_existing: leave out files whose outputs exist.
        strict: refuse a damaged source instead of decoding what is there.
        keep_times: give outputs the times of access and change that their sources have.
        pipeline_hash: what the function `pipeline_hash` returns, where finished files are to be recorded.
        folder: where relative paths begin; empty = the working folder.
        dry_run: do nothing, and return the result that each file would have, as far as its header tells it.
        resumable: there is a manifest, so that `--resume` can be advised where an output exists.
    """

    spec: PipelineSpec
    device: str = "cpu"
    overwrite: bool = False
    resume: bool = False
    skip_existing: bool = False
    strict: bool = False
    keep_times: bool = False
    pipeline_hash: str = ""
    folder: str = ""
    dry_run: bool = False
    resumable: bool = False


class Worker:
    """A pipeline, assembled once, that does one job after the other.

    It uses one thread. Processes use the other cores, and the last bits of a batched FFT or GEMM change with the number of
    threads.

    Raises:
        UpscalerError: the pipeline cannot be assembled, or is not the one of `settings.pipeline_hash`.
    """

    def __init__(self, settings: JobSettings) -> None:
        import torch

        from upscaler_core.pipeline.assembly import assemble

        torch.set_num_threads(1)
        self.registry = discover().add_files(settings.spec.plugins)
        self.settings = settings = replace(settings, spec=with_checked_options(settings.spec, self.registry))
        expected = settings.pipeline_hash
        if expected and pipeline_hash(settings.spec, self.registry, settings.device) != expected:
            raise UpscalerError(f"{gethostname()} has other weights, or other versions, than the run was started with")
        self.pipeline: Pipeline = assemble(settings.spec, self.registry, settings.device)

    def run(self, job: Job, on_event: OnEvent) -> Result:
        """Do one job. Every failure becomes a `Failed`."""
        try:
            return self._run(job, on_event)
        except UpscalerError as error:
            return Failed(job.source, str(error), error.exit_code)
        except OSError as error:  # of names and folders; errors of reading and writing are UpscalerErrors
            reason = f"{error.filename or job.source}: {error.strerror or error}"
            return Failed(job.source, reason, OutputError.exit_code)
        except MemoryError:
            return Failed(job.source, f"{job.source}: not enough memory", OutputError.exit_code)
        except Exception as error:
            if os.environ.get("UPSCALER_DEBUG"):
                raise
            reason = f"{type(error).__name__}: {error}"
            return Failed(job.source, f"{job.source}: a bug, please report it ({reason})", UpscalerError.exit_code)

    def _run(self, job: Job, on_event: OnEvent) -> Result:
        from upscaler_core.files.cutoffs import given_track
        from upscaler_core.files.output import decide_output
        from upscaler_core.files.recording import Recording, open_recording
        from upscaler_core.pipeline.file_conversion import convert, expected_result

        if job.suffix is not None and (skipped := self._skipped(job, job.target)):
            return skipped
        settings, before = self.settings, _size_and_time(job.source)
        with contextlib.ExitStack() as stack:

            @functools.cache
            def recording() -> Recording:
                return stack.enter_context(open_recording(job.source, self.registry))

            choices = output_settings(
                settings.spec,
                overwrite=settings.overwrite or settings.resume,
                skip_existing=settings.skip_existing,
                resumable=settings.resumable,
            )
            output = decide_output(
                job.source, job.target, lambda: recording().info, self.registry, choices, add_suffix=job.suffix is None
            )
            if skipped := self._skipped(job, output.path):
                return skipped
            if not settings.overwrite and output.path.exists() and not _is_ours(job, output.path):
                raise OutputError(
                    f"{output.path} exists, and was not made by this program: use --overwrite, not --resume"
                )
            bandwidth = given_track(job.cutoffs, recording()) if job.cutoffs else None
            listed = job.cutoffs is not None  # then the list wins over the pipeline's own cut-off
            line = replace(self.pipeline, cutoff_hz=None) if listed else self.pipeline
            if settings.dry_run:
                return expected_result(line, recording(), output, bandwidth)
            result = convert(line, recording(), output, bandwidth=bandwidth, strict=settings.strict, on_event=on_event)
        if settings.keep_times:
            status = job.source.stat()
            os.utime(output.path, ns=(status.st_atime_ns, status.st_mtime_ns))
        if settings.pipeline_hash:
            source = Fingerprint.of(job.source)
            if (source.size, source.mtime_ns) == before:  # nobody wrote to it meanwhile
                record = Record(job.name, output.path, source, Fingerprint.of(output.path), job.cutoffs, result)
                on_event(Recorded(job.source, record))
        return result

    def _skipped(self, job: Job, target: Path) -> Skipped | None:
        """The result of a job that is to be left out; None for one that is to be done."""
        if job.before is not None and job.before.holds(job.source, target, job.cutoffs):
            earlier = replace(job.before.result, source=job.source) if job.before.result else None
            return Skipped(job.source, target, earlier)
        return Skipped(job.source, target) if self.settings.skip_existing and target.exists() else None


def _is_ours(job: Job, path: Path) -> bool:
    """Whether this program made an output that exists, as a manifest or its tags say."""
    from upscaler_core.files.made import has_tag

    return bool(job.before and job.before.target == path) or path in RecordedOutputs() or has_tag(path)


def _size_and_time(path: Path) -> tuple[int, int] | None:
    """Size, bytes, and time of change, ns. None where they cannot be read: then opening the file fails with a sentence."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_size, status.st_mtime_ns


def serve(connection: Connection, settings: JobSettings) -> None:
    """Run a worker process: jobs in, events and results out, until the other end closes or no job comes for a while."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process, and the main process ends the others
    _silence_libraries()
    with contextlib.suppress(EOFError, OSError):
        try:
            _change_folder(settings.folder)
            worker = Worker(settings)
        except UpscalerError as error:  # of the pipeline as a whole: the other end raises it
            connection.send(error)
            return
        while connection.poll(IDLE_SECONDS):
            connection.send(worker.run(connection.recv(), connection.send))


def _change_folder(folder: str) -> None:
    try:
        os.chdir(folder or ".")
    except OSError as error:
        raise UpscalerError(f"{gethostname()} has no folder {folder}: {error.strerror}") from None


def _silence_libraries() -> None:
    """Drop what C libraries print to standard error, as libmpg123 does for damaged files. Python's own output remains."""
    sys.stderr = open(os.dup(2), "w", buffering=1, errors="backslashreplace")  # noqa: SIM115, PTH123 - for the whole process
    with open(os.devnull, "wb") as null:  # noqa: PTH123
        os.dup2(null.fileno(), 2)
