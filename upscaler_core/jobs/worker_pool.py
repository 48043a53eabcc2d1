"""Worker processes on this machine.

The standard library's pools cannot say which file a lost process was working on. Here every process has a pipe of its own,
so a decoder that crashes takes only its own file with it, and that file is tried once more.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from upscaler_core.errors import UpscalerError
from upscaler_core.jobs.events import Event, Failed, Recorded, Skipped
from upscaler_core.jobs.planning import Job
from upscaler_core.jobs.worker import JobSettings, serve
from upscaler_core.pipeline.events import Finished, Warned
from upscaler_core.processes import safe_path

GRACE_SECONDS = 10
"""How long a worker process may take to clean up, before it is killed."""


class WorkerPool:
    """Up to `size` worker processes at a time, which stay for the next files.

    Args:
        settings: what to do with each file.
        size: processes.
    """

    def __init__(self, settings: JobSettings, size: int) -> None:
        self.settings, self.size = settings, size
        self._processes: dict[Connection, SpawnProcess] = {}
        self._idle: list[Connection] = []

    def run(self, jobs: Iterable[Job]) -> Iterator[Event]:
        """Do the jobs, each taken when a process is free for it, and yield what happens. A file that fails stops no other.

        Raises:
            UpscalerError: the pipeline itself cannot be assembled.
        """
        waiting, retries = iter(jobs), list[Job]()
        busy: dict[Connection, Job] = {}
        crashes: dict[Job, str] = {}
        while True:
            while len(busy) < self.size and (job := retries.pop() if retries else next(waiting, None)):
                busy[self._hand_out(job)] = job
            if not busy:
                return
            for ready in wait(list(busy)):
                assert isinstance(ready, Connection)  # noqa: S101 - `wait` returns what it was given
                job = busy[ready]
                try:
                    event: Event | UpscalerError = ready.recv()
                except (EOFError, OSError):
                    del busy[ready]
                    crash = self._remove(ready)
                    if job in crashes:
                        yield Failed(job.source, f"{job.source}: {crash}, as did the one before it", 1)
                    else:
                        retries.append(job)
                        crashes[job] = f"{crash}, and the file was tried once more"
                        yield Warned(job.source, crashes[job])
                    continue
                if isinstance(event, UpscalerError):
                    raise event
                if isinstance(event, Finished | Skipped | Failed):
                    del busy[ready]
                    self._idle.append(ready)
                yield _with_warning(event, crashes[job]) if job in crashes else event

    def _hand_out(self, job: Job) -> Connection:
        connection = self._idle_process() or self._start()
        with contextlib.suppress(OSError):  # the process has just ended, which the next `recv` shows
            connection.send(job)
        return connection

    def _idle_process(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if self._processes[connection].is_alive():
                return connection
            self._remove(connection)
        return None

    def _start(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs, self.settings), daemon=True)
        with safe_path():
            process.start()
        theirs.close()
        self._processes[ours] = process
        return ours

    def _remove(self, connection: Connection) -> str:
        """Forget a process that has ended, and return how it ended."""
        process = self._processes.pop(connection)
        connection.close()
        process.join(GRACE_SECONDS)
        return f"the process crashed (exit {process.exitcode})"

    def close(self) -> None:
        """End the processes: idle ones at once, others at their next event, or, when that takes too long, at once too."""
        for connection in self._idle:
            self._processes[connection].kill()  # it has no file open
        for connection in self._processes:
            connection.close()
        deadline = time.monotonic() + GRACE_SECONDS
        for process in self._processes.values():
            process.join(max(deadline - time.monotonic(), 0))
            process.kill()
            process.join()
        self._processes.clear()
        self._idle.clear()


def _with_warning(event: Event, warning: str) -> Event:
    """A result, or its record, with a warning; any other event as it is."""
    match event:
        case Finished():
            return replace(event, warnings=(warning, *event.warnings))
        case Recorded(_, record) if record.result:
            result = replace(record.result, warnings=(warning, *record.result.warnings))
            return replace(event, record=replace(record, result=result))
    return event
