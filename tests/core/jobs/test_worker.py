"""One worker: what it leaves out, what it refuses, and what a dry run says, in this process."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch

from upscaler_core import discover
from upscaler_core.jobs.events import Failed, Recorded, Skipped
from upscaler_core.jobs.manifest import pipeline_hash
from upscaler_core.jobs.planning import Job
from upscaler_core.jobs.worker import JobSettings, Worker
from upscaler_core.pipeline.events import Finished
from upscaler_core.pipeline.spec import PipelineSpec

SPEC = PipelineSpec(version=1, resampler={"use": "poly-sinc-hq", "dsp_quality": "fast"})


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sf.write("a.wav", 0.1 * np.sin(np.arange(4_000) * 0.1), 16_000, subtype="PCM_16")
    sf.write("float.wav", np.zeros(4_000), 16_000, subtype="FLOAT")
    Path("broken.wav").write_bytes(b"RIFF but not really")
    threads = torch.get_num_threads()
    yield tmp_path
    torch.set_num_threads(threads)


def job(source, target, suffix=None, before=None):
    return Job(Path(source), Path(target), suffix, source, before)


def run_job(job, **settings):
    """The result, and the events before it."""
    events = []
    return Worker(JobSettings(SPEC, **settings)).run(job, events.append), events


def test_the_default_suffix_follows_from_the_source():
    for source, target in (("a.wav", "out.flac"), ("float.wav", "out.wav")):
        result, _ = run_job(job(source, "out"))
        assert isinstance(result, Finished) and result.target == Path(target)
        assert sf.info(target).samplerate == result.rate_out == 96_000


def test_skip_existing_leaves_everything_alone_that_has_a_name():
    Path("there.flac").mkdir()
    Path("there.xyz").write_bytes(b"")
    for skipped in (job("a.wav", "there"), job("a.wav", "there.xyz", ".xyz"), job("float.wav", "float")):
        result, events = run_job(skipped, skip_existing=True)
        assert isinstance(result, Skipped) and not events
    result, _ = run_job(job("missing.wav", "there.xyz", ".xyz"), skip_existing=True)
    assert isinstance(result, Skipped), "the source is not even opened"


@pytest.mark.parametrize(
    ("source", "target", "suffix", "message", "exit_code"),
    [
        ("missing.wav", "x.xyz", ".xyz", "no exporter writes '.xyz'", 2),
        ("missing.wav", "a.wav", ".wav", "a.wav exists: add --overwrite", 1),
        ("missing.wav", "x.wav", ".wav", "missing.wav does not exist", 4),
        ("broken.wav", "a.wav", ".wav", "a.wav exists: add --overwrite", 1),
        ("broken.wav", "x", None, "broken.wav cannot be read", 4),
        ("a.wav", "a.wav", ".wav", "a.wav is the input itself", 2),
        ("float.wav", "float", None, "float.wav is the input itself", 2),
    ],
)
@pytest.mark.parametrize("dry", [False, True])
def test_the_output_is_refused_before_the_source_is_opened(source, target, suffix, message, exit_code, dry):
    one = job(source, target, suffix)
    result, _ = run_job(one, dry_run=dry)
    assert isinstance(result, Failed) and result.exit_code == exit_code
    assert message in result.message


def test_a_dry_run_says_the_same_and_writes_nothing():
    before = sorted(Path().iterdir())
    expected, _ = run_job(job("a.wav", "out"), dry_run=True)
    assert sorted(Path().iterdir()) == before
    result, _ = run_job(job("a.wav", "out"))
    for field in ("source", "target", "rate_in", "rate_out", "channels", "seconds"):
        assert getattr(result, field) == getattr(expected, field)


def test_a_record_counts_for_its_own_output_only():
    pipeline = pipeline_hash(SPEC, discover(), "cpu")
    first, events = run_job(job("a.wav", "out"), pipeline_hash=pipeline, overwrite=True)
    (record,) = (event.record for event in events if isinstance(event, Recorded))
    assert record.target == first.target == Path("out.flac")
    again, _ = run_job(job("a.wav", "out", None, record), pipeline_hash=pipeline, overwrite=True)
    assert again == Skipped(Path("a.wav"), Path("out.flac"))
    elsewhere = dataclasses.replace(record, target=Path("out.wav"))
    Path("out.wav").write_bytes(Path("out.flac").read_bytes())
    result, _ = run_job(job("a.wav", "out", None, elsewhere), pipeline_hash=pipeline, overwrite=True)
    assert isinstance(result, Finished), "what was made under another name is not this output"
    result, _ = run_job(job("a.wav", "out.mp3", ".mp3", record), pipeline_hash=pipeline, overwrite=True)
    assert isinstance(result, Finished) and result.target == Path("out.mp3")
