"""Worker processes that are killed, with real processes and real files."""

import contextlib
import multiprocessing
import time

import numpy as np
import psutil
import pytest
import soundfile as sf

from upscaler_core import UpscalerError
from upscaler_core.jobs.events import Failed
from upscaler_core.jobs.planning import Job
from upscaler_core.jobs.worker import JobSettings
from upscaler_core.jobs.worker_pool import WorkerPool
from upscaler_core.pipeline.events import Advanced, Finished, Started, Warned
from upscaler_core.pipeline.spec import PipelineSpec

SPEC = PipelineSpec(version=1, target_rate=192_000, resampler={"use": "poly-sinc-hq", "dsp_quality": "fast"})


@pytest.fixture
def jobs(tmp_path):
    """Three files; the first is long enough to be met in the middle."""
    sources = [tmp_path / f"{name}.wav" for name in ("long", "b", "c")]
    for source, seconds in zip(sources, (120, 1, 1), strict=True):
        sf.write(source, 0.1 * np.sin(np.arange(8_000 * seconds) * 0.1), 8_000)
    return [Job(path, tmp_path / "out" / f"{path.stem}.wav", ".wav", path.name) for path in sources]


@pytest.fixture
def pool():
    with contextlib.closing(WorkerPool(JobSettings(SPEC), 2)) as pool:
        yield pool


def workers() -> list[psutil.Process]:
    """This process's own worker processes."""
    return [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]


def kill_the_worker_of(job: Job) -> None:
    """Kill the process that is reading the job's source."""
    (worker,) = (one for one in workers() if str(job.source) in [file.path for file in one.open_files()])
    worker.kill()


@pytest.mark.parametrize("times", [1, 2])
def test_a_killed_process_costs_its_own_file_alone(pool, jobs, times):
    """Killed once, the file is tried once more; killed twice, it fails."""
    long, events, kills = jobs[0], [], 0
    for event in pool.do(jobs):
        events.append(event)
        tries = sum(isinstance(event, Started) and event.source == long.source for event in events)
        if isinstance(event, Advanced) and event.source == long.source and kills < min(tries, times):
            kill_the_worker_of(long)
            kills += 1
    results = {event.source: event for event in events if isinstance(event, Finished | Failed)}
    assert all(isinstance(results[job.source], Finished) and job.target.exists() for job in jobs[1:])
    warning = "the process crashed (exit -9), and the file was tried once more"
    assert [event for event in events if isinstance(event, Warned)] == [Warned(long.source, warning)]
    if times == 1:
        assert results[long.source].warnings == (warning,)
        assert sf.info(long.target).frames == 120 * 192_000
    else:
        message = f"{long.source}: the process crashed (exit -9), as did the one before it"
        assert results[long.source] == Failed(long.source, message, 1)
    # Whether done or failed, nothing half-written stays.
    written = sorted(path.name for path in long.target.parent.iterdir())
    assert written == sorted(job.target.name for job in jobs if isinstance(results[job.source], Finished))


def test_processes_stay_for_the_next_files_and_close_leaves_none(pool, jobs):
    assert not workers()
    for job in jobs[1:]:
        assert isinstance(list(pool.do([job]))[-1], Finished)
    assert len(workers()) == 1
    pool.close()
    assert not workers()


def test_close_ends_a_process_in_the_middle_of_a_file(pool, jobs):
    events = pool.do(jobs)
    assert any(isinstance(event, Advanced) for event in events)
    assert len(workers()) == 2
    pool.close()
    assert not workers() and not multiprocessing.active_children()
    assert not jobs[0].target.exists()


def test_an_idle_process_that_died_is_replaced(pool, jobs):
    list(pool.do(jobs[1:2]))
    (worker,) = workers()
    worker.kill()
    worker.wait(10)
    time.sleep(0.1)
    (result,) = (event for event in pool.do(jobs[2:]) if isinstance(event, Finished | Failed))
    assert isinstance(result, Finished) and not result.warnings


def test_no_more_processes_than_asked_for(jobs):
    with contextlib.closing(WorkerPool(JobSettings(SPEC), 1)) as pool:
        most = max(len(workers()) for _ in pool.do(jobs[1:]))
    assert most == 1 and not workers()


def test_a_pipeline_that_cannot_be_assembled_is_raised(jobs):
    settings = JobSettings(SPEC, pipeline="a hash of other weights")
    with contextlib.closing(WorkerPool(settings, 2)) as pool, pytest.raises(UpscalerError, match="has other weights"):
        list(pool.do(jobs))
    assert not workers()
