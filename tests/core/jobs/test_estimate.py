"""The estimate of the remaining time, with a clock and components that a test moves. Nothing here waits."""

from pathlib import Path

import pytest
import soundfile as sf
import torch

from upscaler_core import Pipeline, discover
from upscaler_core.dsp import Bandwidth, BandwidthTrack, Segment
from upscaler_core.jobs.estimate import Estimate
from upscaler_core.jobs.events import Failed, Skipped
from upscaler_core.pipeline.events import Advanced, Finished, Planned, Started
from upscaler_core.pipeline.spec import Chunk
from upscaler_core.plugins.protocols import Estimate as ModelEstimate
from upscaler_core.testing import signals

RATE = 8_000
SLOW_START = 0.1
"""Seconds that the first window of a file takes longer."""


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class SlowDetector:
    """Each second of audio takes so long to survey; the content of the first part ends at 2 kHz."""

    def __init__(self, clock, cost, restored_share=1.0):
        self.clock, self.cost, self.share = clock, cost, restored_share

    def survey(self, rate):
        self.rate, self.samples = rate, 0
        return self

    def add(self, block):
        self.samples += block.shape[-1]
        self.clock.now += self.cost * block.shape[-1] / self.rate

    def finish(self):
        full, dull = Bandwidth(self.rate / 2), Bandwidth(2_000)
        if self.share in (0, 1):
            return BandwidthTrack.constant(dull if self.share else full)
        return BandwidthTrack((Segment(0, dull), Segment(round(self.share * self.samples), full)))


class SlowModel:
    """Adds nothing, and takes so long for each second of audio."""

    rate, receptive_field, length_multiple = RATE, 64, 1

    def __init__(self, clock, cost):
        self.clock, self.cost = clock, cost

    def __call__(self, baseline, conditions):
        self.clock.now += self.cost * baseline.shape[-1] / self.rate + SLOW_START * bool(conditions.start[0] <= 0)
        return ModelEstimate(baseline)


def run_files(lengths, survey, model, folder, *, known=True, share=1.0):
    """The remaining time at each event, as it was estimated and as it was, and how much was said to be done."""
    clock = Clock()
    pipeline = Pipeline(
        discover().resampler("linear"),
        RATE,
        models={"slow": SlowModel(clock, model)},
        detector=SlowDetector(clock, survey, share),
        chunk=Chunk(samples=RATE, overlap=0, context=0.0),
    )
    sources = [folder / f"{index}.wav" for index in range(len(lengths))]
    estimate = Estimate(len(lengths), clock=clock)
    for source, seconds in zip(sources, lengths, strict=True):
        sf.write(source, signals.noise((seconds * RATE,)).numpy(), RATE)
        if known:
            estimate.expect(source, seconds)
    told = []

    def on_event(event):
        estimate(event)
        told.append((clock.now, estimate.remaining, estimate.fraction))

    for source in sources:
        on_event(pipeline.write(source, source.with_suffix(".flac"), on_event=on_event))
    end = clock.now
    return [(now, estimated, end - now, done) for now, estimated, done in told]


@pytest.mark.parametrize(
    ("lengths", "survey", "model", "known"),
    [
        ([120], 0.01, 1.0, True),  # about as in the preset `restore`
        ([120], 0.05, 1.0, True),
        ([60, 60], 0.5, 1.0, True),  # a survey that is dear
        ([10, 90, 5, 60], 0.05, 1.0, True),  # seconds count, not files
        ([40, 40, 40], 0.05, 4.0, False),
    ],
)
def test_the_remaining_time_is_right_from_a_tenth_of_the_way_on(tmp_path, lengths, survey, model, known):
    told = run_files(lengths, survey, model, tmp_path, known=known)
    total = told[-1][0]
    late = [(estimated, left) for now, estimated, left, _ in told if now >= 0.1 * total]
    if survey == 0.5:  # nothing is known of the model's cost while the first file is surveyed: then nothing is said
        assert late[0][0] is None
        late = [(estimated, left) for estimated, left in late if estimated is not None]
    assert len(late) > 20
    for estimated, left in late:
        assert estimated == pytest.approx(left, rel=0.2, abs=0.02 * total)


def test_parts_that_are_only_resampled_cost_less(tmp_path):
    told = run_files([200], 0.02, 1.0, tmp_path, share=0.3)
    total = told[-1][0]
    for now, estimated, left, _ in told:
        if now >= 0.1 * total:
            assert estimated == pytest.approx(left, rel=0.2, abs=0.05 * total)


def test_what_is_done_grows_with_the_time_and_not_with_the_files(tmp_path):
    told = run_files([10, 90], 0.05, 1.0, tmp_path)
    total = told[-1][0]
    for now, _, _, done in told:
        if 0.1 * total <= now < total:
            assert done == pytest.approx(now / total, abs=0.05)


def test_two_processes_take_half_as_long():
    clock = Clock()
    estimate = Estimate(4, processes=2, clock=clock)
    sources = [Path(f"{index}.wav") for index in range(4)]
    for source in sources:
        estimate.expect(source, 100.0)
    for source in sources[:2]:
        estimate(Started(source, 100.0, 1))
        estimate(Planned(source, {"write": 100.0}))
    for second in range(1, 51):
        clock.now = float(second)
        for source in sources[:2]:
            estimate(Advanced(source, 1.0))
    assert estimate.remaining == pytest.approx(150.0)
    assert estimate.fraction == pytest.approx(0.25)


def test_files_of_unknown_length_and_files_that_are_left_out_are_no_obstacle():
    clock = Clock()
    estimate = Estimate(3, clock=clock)
    estimate(Skipped(Path("a"), Path("b")))
    estimate(Failed(Path("c"), "no", 1))
    estimate(Started(Path("d"), None, 1))
    assert estimate.remaining is None and estimate.fraction == pytest.approx(2 / 3)
    estimate(Advanced(Path("d"), 1.0))
    estimate(Finished(Path("d"), Path("e"), 1, 1, 1, 1.0))
    assert estimate.remaining == 0 and estimate.ended == 3


def test_on_a_cluster_lengths_alone_decide():
    clock = Clock()
    estimate = Estimate(3, processes=2, clock=clock)
    for name, seconds in (("a", 30.0), ("b", 10.0), ("c", 80.0)):
        estimate.expect(Path(name), seconds)
    for name, seconds, now in (("a", 30.0, 6.0), ("b", 10.0, 8.0)):
        clock.now = now
        estimate(Started(Path(name), seconds, 2))
        estimate(Planned(Path(name), {"survey": seconds, "write": seconds}))
        estimate(Finished(Path(name), Path("x"), 1, 1, 1, seconds))
    assert estimate.remaining == pytest.approx(16.0)
