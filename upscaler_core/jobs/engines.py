"""Runs jobs in processes of this machine, or on the machines of a cluster.

On a cluster, too, a process of a `WorkerPool` does each file. A task of the cluster starts it beside itself and keeps it
for the next file. So a decoder that crashes ends neither a dask nor a ray worker, and everything else is the same
everywhere. The machines see the files under the same paths.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from dataclasses import replace
from typing import Literal

from upscaler_core.errors import MissingDependency, UpscalerError, UsageError
from upscaler_core.jobs.events import Event, Failed
from upscaler_core.jobs.planning import Job
from upscaler_core.jobs.worker import JobSettings
from upscaler_core.jobs.worker_pool import WorkerPool
from upscaler_core.pipeline.events import Advanced

Engine = Literal["local", "dask", "ray"]
Answer = list[Event] | UpscalerError
Submit = Callable[[Job, JobSettings], "Future[Answer]"]


def execute(jobs: Iterable[Job], settings: JobSettings, at_a_time: int, engine: Engine = "local") -> Iterator[Event]:
    """Do all jobs, so many at a time, and yield what happens. Each job ends with a `Finished`, `Skipped` or `Failed`.

    Raises:
        UpscalerError: the pipeline itself cannot be assembled, or the cluster cannot be reached.
        MissingDependency: the engine's package is not installed.
    """
    if engine == "local":
        with contextlib.closing(WorkerPool(settings, at_a_time)) as pool:
            yield from pool.run(jobs)
    else:
        with _dask() if engine == "dask" else _ray() as submit:
            yield from _on_cluster(jobs, replace(settings, folder=os.getcwd()), at_a_time, submit)  # noqa: PTH109


def _on_cluster(jobs: Iterable[Job], settings: JobSettings, at_a_time: int, submit: Submit) -> Iterator[Event]:
    """Keep so many jobs on the cluster and no more, however many there are."""
    waiting = iter(jobs)
    running: dict[Future[Answer], Job] = {}
    try:
        while True:
            while len(running) < at_a_time and (job := next(waiting, None)):
                running[submit(job, settings)] = job
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield from _events_of(future, running.pop(future))
    finally:
        for future in running:
            future.cancel()


def _events_of(future: Future[Answer], job: Job) -> list[Event]:
    """The events of a job. The cluster's own errors, such as the loss of a machine, come after its own retries."""
    try:
        answer = future.result()
    except CancelledError:
        raise UpscalerError("the cluster is gone; the files that were done are whole, go on with --resume") from None
    except Exception as error:  # noqa: BLE001
        reason = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        return [Failed(job.source, f"{job.source}: the cluster failed at it: {reason[0]}", 1)]
    if isinstance(answer, UpscalerError):
        raise answer
    return answer


_thread = threading.local()


def _run(job: Job, settings: JobSettings) -> Answer:
    """Do one job on a cluster's machine, by a process that stays for this thread's next job."""
    multiprocessing.current_process().daemon = (
        False  # dask's workers are daemons, which may have no processes of their own
    )
    if getattr(_thread, "pool", None) is None or _thread.pool.settings != settings:
        _thread.pool = WorkerPool(settings, 1)
    try:
        return [event for event in _thread.pool.run([job]) if not isinstance(event, Advanced)]
    except UpscalerError as error:
        return error


@contextlib.contextmanager
def _dask() -> Iterator[Submit]:
    try:
        import dask
        from distributed import Client
    except ImportError:
        raise _missing("dask", "distributed") from None
    for name in ("distributed", "distributed.client"):  # they log tracebacks of errors that have a sentence here
        logging.getLogger(name).setLevel(logging.CRITICAL)
    address = dask.config.get("scheduler-address", None)
    if not address:
        raise UsageError("--engine dask joins a running cluster: set DASK_SCHEDULER_ADDRESS, as tcp://127.0.0.1:8786")
    try:
        client = Client(address, set_as_default=False)
    except OSError as error:
        raise UsageError(f"there is no dask scheduler at {address}: {' '.join(str(error).split())}") from None
    with client:
        yield functools.partial(client.get_executor(pure=False).submit, _run)


@contextlib.contextmanager
def _ray() -> Iterator[Submit]:
    try:
        import ray
    except ImportError:
        raise _missing("ray", "ray") from None
    try:
        ray.init("auto", log_to_driver=False, logging_level="ERROR")
    except ConnectionError:
        raise UsageError("--engine ray joins a running cluster: run `ray start --head`, or set RAY_ADDRESS") from None
    remote = ray.remote(_run)
    try:
        yield lambda job, settings: remote.remote(job, settings).future()
    finally:
        ray.shutdown()


def _missing(engine: str, package: str) -> MissingDependency:
    return MissingDependency(
        f"--engine {engine} needs the package '{package}': pip install 'ai-audio-upscaler[{engine}]'"
    )
