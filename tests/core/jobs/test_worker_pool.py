"""Worker processes that are killed, with real processes and real files."""

import contextlib
import multiprocessing
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

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
    """Two files that are long enough to be met in the middle, and a short one."""
    sources = [tmp_path / f"{name}.wav" for name in ("once", "twice", "short")]
    for source, seconds in zip(sources, (50, 50, 1), strict=True):
        sf.write(source, 0.1 * np.sin(np.arange(8_000 * seconds) * 0.1), 8_000)
    return [Job(path, tmp_path / "out" / f"{path.stem}.wav", ".wav", path.name) for path in sources]


@pytest.fixture
def pool():
    with contextlib.closing(WorkerPool(JobSettings(SPEC), 2)) as pool:
        yield pool


def workers() -> list[psutil.Process]:
    """This process's worker processes, and those that have ended but were not waited for."""
    children = psutil.Process().children()
    return [one for one in children if one.status() == psutil.STATUS_ZOMBIE or "spawn_main" in " ".join(one.cmdline())]


def kill_the_worker_of(source: Path) -> None:
    """Kill the process that is reading a source."""
    (worker,) = (one for one in workers() if str(source) in [file.path for file in one.open_files()])
    worker.kill()


@pytest.mark.slow
def test_a_killed_process_costs_its_own_file_alone(pool, jobs):
    """A file whose process is killed is tried once more. If that process is killed too, the file fails."""
    once, twice, short = (job.source for job in jobs)
    planned, kills, tries = {once: 1, twice: 2, short: 0}, Counter(), Counter()
    events = []
    for event in pool.run(jobs):
        events.append(event)
        tries[event.source] += isinstance(event, Started)
        # Events of a killed process may still arrive: each try is killed once.
        if isinstance(event, Advanced) and kills[event.source] < min(tries[event.source], planned[event.source]):
            kill_the_worker_of(event.source)
            kills[event.source] += 1
    warning = "the process crashed (exit -9), and the file was tried once more"
    warned = {event for event in events if isinstance(event, Warned)}
    assert warned == {Warned(once, warning), Warned(twice, warning)}
    results = {event.source: event for event in events if isinstance(event, Finished | Failed)}
    assert results[once].warnings == (warning,) and results[short].warnings == ()
    assert results[twice] == Failed(twice, f"{twice}: the process crashed (exit -9), as did the one before it", 1)
    outputs = jobs[0].target.parent
    assert sorted(path.name for path in outputs.iterdir()) == ["once.wav", "short.wav"], "nothing half-written is left"
    assert sf.info(outputs / "once.wav").frames == 50 * 192_000


def test_close_ends_a_process_in_the_middle_of_a_file(pool, jobs):
    assert any(isinstance(event, Advanced) for event in pool.run(jobs[:1]))
    assert len(workers()) == 1
    pool.close()
    assert not workers()
    assert not list(jobs[0].target.parent.iterdir())


@pytest.mark.slow
def test_a_process_stays_for_the_next_file_and_is_replaced_when_it_has_died(pool, jobs):
    short, processes = jobs[2], []
    for number in range(3):
        result = list(pool.run([replace(short, target=short.target.with_stem(str(number)))]))[-1]
        assert isinstance(result, Finished) and not result.warnings
        (worker,) = workers()
        processes.append(worker.pid)
        if number == 1:
            worker.kill()
            while multiprocessing.active_children():
                time.sleep(0.01)
    assert processes[0] == processes[1] != processes[2]
    pool.close()
    assert not workers()


def test_a_pipeline_that_cannot_be_assembled_is_raised(jobs):
    settings = JobSettings(SPEC, pipeline_hash="a hash of other weights")
    with contextlib.closing(WorkerPool(settings, 1)) as pool, pytest.raises(UpscalerError, match="has other weights"):
        list(pool.run(jobs))
    assert not workers()
