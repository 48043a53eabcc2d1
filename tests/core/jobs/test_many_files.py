"""Many files: retries, records, resuming and shards, with real processes, kills and a real dask cluster."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile as sf

from upscaler_core.jobs import engines
from upscaler_core.jobs.events import Skipped
from upscaler_core.jobs.planning import Job
from upscaler_core.jobs.worker import JobSettings
from upscaler_core.pipeline.spec import PipelineSpec

pytestmark = pytest.mark.slow  # every test starts the command line, most of them several times

PIPELINE = "version: 1\ntarget_rate: 48000\nresampler: {use: poly-sinc-hq, dsp_quality: fast}\n"
MANIFEST = ".upscaler.jsonl"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "p.yaml").write_text(PIPELINE)
    return tmp_path


def tones(folder, names, rate=16_000, seconds=0.5):
    for index, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        t = np.arange(round(rate * seconds)) / rate
        sf.write(folder / name, 0.3 * np.sin(2 * np.pi * (300 + 10 * index) * t), rate)


def statuses(done):
    return {Path(file["source"]).name: file["status"] for file in json.loads(done.stdout)["files"]}


def until(condition, seconds=300):
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds
        time.sleep(0.02)


def lines(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


def below(process, depth):
    """Worker processes that many levels below."""
    level = [process]
    for _ in range(depth):
        level = [child for parent in level for child in parent.children() if _is_worker(child)]
    return level


def _is_worker(process):
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.ZombieProcess:  # what read the lengths has ended
        return False


# What is done again, and what is not


def test_resume_does_what_changed_and_nothing_else(upscaler, folder):
    names = ["same", "touched", "edited", "missing", "cut", "flipped", "other"]
    tones(folder / "in", [f"deep/{name}.wav" for name in names])
    assert upscaler("run", "p.yaml", "in", "-o", "out").returncode == 0
    source, output = folder / "in" / "deep", folder / "out" / "deep"
    os.utime(source / "touched.wav", (1, 1))
    tones(source, ["edited.wav"], rate=22_050)
    (output / "missing.flac").unlink()
    os.truncate(output / "cut.flac", 1_000)
    intact = (output / "flipped.flac").read_bytes()
    (output / "flipped.flac").write_bytes(intact[:2_000] + bytes([intact[2_000] ^ 1]) + intact[2_001:])
    (output / "other.flac").write_bytes(intact)
    times = {name: (output / f"{name}.flac").stat().st_mtime_ns for name in ("same", "touched")}
    dry = upscaler("run", "p.yaml", "in", "-o", "out", "--resume", "--dry-run")
    assert "5 would be done, 2 skipped" in dry.stdout
    again = upscaler("run", "p.yaml", "in", "-o", "out", "--resume", "--json")
    assert again.returncode == 0, again.stderr
    assert {name for name, status in statuses(again).items() if status == "skipped"} == {"same.wav", "touched.wav"}
    assert (output / "flipped.flac").read_bytes() == intact
    assert times == {name: (output / f"{name}.flac").stat().st_mtime_ns for name in times}


def test_resume_with_another_pipeline_does_everything_again(upscaler, folder):
    tones(folder / "in", ["a.wav", "b.wav"])
    words = ("run", "p.yaml", "in", "-o", "out", "--resume")
    assert "2 done" in upscaler(*words).stdout  # it begins a manifest as well
    assert "2 done" in upscaler(*words, "--set", "resampler.dsp_quality=balanced").stdout
    assert "2 done" in upscaler(*words).stdout  # what it had made is there no more


def test_resume_replaces_nothing_that_it_has_not_made(upscaler, folder):
    tones(folder / "in", ["a.wav", "b.wav"])
    tones(folder / "out", ["other.wav"])
    mine = (folder / "out" / "other.wav").rename(folder / "out" / "a.flac").read_bytes()
    done = upscaler("run", "p.yaml", "in", "-o", "out", "--resume")
    assert done.returncode == 1 and "was not made by this program" in done.stderr
    assert (folder / "out" / "a.flac").read_bytes() == mine
    assert (folder / "out" / "b.flac").exists()


def test_after_a_kill_resume_does_the_rest(upscaler, folder):
    tones(folder / "in", [f"{index}.wav" for index in range(12)], seconds=20)
    words = ("run", "p.yaml", "in", "-o", "out/{name}.flac", "--jobs", 2, "--set", "target_rate=192000")
    process = upscaler.start(*words)
    until(lambda: lines(folder / "out" / MANIFEST) >= 3)
    process.kill()
    process.communicate()
    time.sleep(1)
    recorded = (folder / "out" / MANIFEST).read_bytes()
    done = recorded.count(b"\n")
    assert 3 <= done < 12
    (folder / "out" / MANIFEST).write_bytes(recorded + recorded[:100])  # and the last line was only half written
    resumed = upscaler(*words, "--resume", "--json")
    assert resumed.returncode == 0, resumed.stderr
    assert sorted(statuses(resumed).values()) == ["done"] * (12 - done) + ["skipped"] * done
    assert (folder / "out" / MANIFEST).read_bytes().startswith(recorded)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "y.flac", "--resume"], "name one, as in -o FOLDER/"),
        (["--resume"], "name one, as in -o FOLDER/"),
        (["-o", "out/", "--resume", "--overwrite"], "exclude each other"),
        (["-o", "out/", "--shard", "0/3"], "--shard 0/3: write I/N"),
        (["-o", "out/", "--shard", "4/3"], "--shard 4/3: write I/N"),
        (["-o", "out/", "--shard", "half"], "--shard half: write I/N"),
        (["-o", "out/", "--engine", "dask"], "set DASK_SCHEDULER_ADDRESS"),
    ],
)
def test_what_does_not_fit_is_said(upscaler, folder, words, message):
    tones(folder, ["a.wav"])
    done = upscaler("run", "p.yaml", "a.wav", *words)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert message in done.stderr


@pytest.mark.parametrize(("engine", "package"), [("dask", "distributed"), ("ray", "ray")])
def test_an_engine_that_is_not_installed_names_its_extra(upscaler, folder, engine, package):
    tones(folder, ["a.wav"])
    (folder / "site").mkdir()
    (folder / "site" / f"{package}.py").write_text(f"raise ModuleNotFoundError('No module named {package}')")
    upscaler.environment["PYTHONPATH"] = str(folder / "site")
    done = upscaler("run", "p.yaml", "a.wav", "-o", "out/", "--engine", engine)
    assert done.returncode == 5, done.stderr
    assert f"pip install 'ai-audio-upscaler[{engine}]'" in done.stderr


# Crashes


def test_a_file_whose_worker_is_killed_is_tried_once_more(upscaler, folder):
    tones(folder / "many", ["0.wav", "1.wav", "2.wav"], rate=8_000, seconds=200)
    process = upscaler.start("run", "p.yaml", "many", "-o", "out", "-j", 2, "-r", 192_000, "--json")
    until((folder / "out").exists)
    below(psutil.Process(process.pid), 1)[0].kill()
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    files = json.loads(out)["files"]
    assert [file["status"] for file in files] == ["done"] * 3
    warnings = [warning for file in files for warning in file["warnings"]]
    assert warnings == ["the process crashed (exit -9), and the file was tried once more"]
    assert warnings[0] in err
    assert lines(folder / "out" / MANIFEST) == 3


# Shards


def test_shards_share_the_files_out(upscaler, folder):
    tones(folder / "in", [f"{index}.wav" for index in range(6)])
    (folder / "in" / "deep").mkdir()
    tones(folder / "in" / "deep", ["x.wav", "y.wav"])
    parts = [upscaler("run", "p.yaml", "in", "-o", "out", "--shard", f"{i}/2", "--json") for i in (1, 2)]
    names = [name for part in parts for name in statuses(part)]
    assert sorted(names) == sorted([f"{index}.wav" for index in range(6)] + ["x.wav", "y.wav"])
    assert len(list((folder / "out").rglob("*.flac"))) == 8
    assert "8 skipped" in upscaler("run", "p.yaml", "in", "-o", "out", "--resume").stdout


# Clusters


def test_no_more_jobs_are_taken_than_there_is_room_for(tmp_path):
    """Memory does not grow with the number of files."""
    taken = finished = most = 0

    def jobs():
        nonlocal taken, most
        for index in range(1_000):
            taken += 1
            most = max(most, taken - finished)
            yield Job(Path(f"{index}.wav"), Path(f"{index}.flac"), ".flac", f"{index}.wav")

    with ThreadPoolExecutor(4) as pool:
        submit = lambda job, settings: pool.submit(lambda: [Skipped(job.source, job.target)])  # noqa: E731
        for _ in engines._on_cluster(jobs(), JobSettings(PipelineSpec(version=1)), 4, submit):
            finished += 1
    assert (finished, most) == (1_000, 4)


@pytest.fixture
def cluster(tmp_path, upscaler):
    """A dask scheduler and two workers, at 127.0.0.1 alone; the processes."""
    dask = [str(Path(sys.executable).with_name("dask"))]
    there = {"cwd": tmp_path, "stderr": subprocess.DEVNULL}
    facts = tmp_path / "scheduler.json"
    lonely = ["--host", "127.0.0.1", "--no-dashboard"]
    scheduler = subprocess.Popen([*dask, "scheduler", "--port", "0", "--scheduler-file", facts, *lonely], **there)
    until(facts.exists)
    (tmp_path / "elsewhere").mkdir()
    there["cwd"] = tmp_path / "elsewhere"
    two = ["--nworkers", "2", "--nthreads", "1"]
    workers = subprocess.Popen([*dask, "worker", "--scheduler-file", facts, *two, *lonely], **there)
    upscaler.environment["DASK_SCHEDULER_ADDRESS"] = json.loads(facts.read_text())["address"]
    yield scheduler, workers
    for process in (workers, scheduler):
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def test_a_dask_cluster_of_two_workers(upscaler, folder, cluster):
    tones(folder / "in", ["short.wav", "broken.wav", "0.wav", "1.wav", "2.wav"])
    (folder / "in" / "broken.wav").write_bytes(b"RIFF but not really")
    tones(folder / "in", ["0.wav", "1.wav", "2.wav"], rate=8_000, seconds=60)
    words = ("run", "p.yaml", "in", "-r", 192_000)
    process = upscaler.start(*words, "-o", "out", "--engine", "dask", "--jobs", 2, "--json")
    workers = psutil.Process(cluster[1].pid)
    until((folder / "out").exists)
    until(lambda: len(below(workers, 2)) == 2)  # each worker has its own process that does files
    below(workers, 2)[0].kill()
    out, err = process.communicate(timeout=300)
    files = {Path(file["source"]).name: file for file in json.loads(out)["files"]}
    assert [file["status"] for file in files.values()] == ["done"] * 3 + ["failed", "done"], err
    warnings = [warning for file in files.values() for warning in file.get("warnings", ())]
    assert warnings == ["the process crashed (exit -9), and the file was tried once more"]
    here = upscaler(*words, "-o", "here")
    assert here.returncode == process.returncode == 1
    for path in (folder / "here").glob("*.flac"):
        assert (folder / "out" / path.name).read_bytes() == path.read_bytes()
    resumed = upscaler(*words, "-o", "out", "--engine", "dask", "--resume", "--json")
    assert sorted(statuses(resumed).values()) == ["failed"] + ["skipped"] * 4


def test_a_cluster_that_ends_is_said(upscaler, folder, cluster):
    tones(folder / "in", ["0.wav", "1.wav"], rate=8_000, seconds=200)
    process = upscaler.start("run", "p.yaml", "in", "-r", 384_000, "-o", "out", "--engine", "dask", "--jobs", 2)
    until((folder / "out").exists)
    cluster[0].kill()
    _, err = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "--resume" in err and "Traceback" not in err
