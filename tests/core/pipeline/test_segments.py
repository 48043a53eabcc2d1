"""A source whose bandwidth changes: each segment is restored from its own edge, and nothing is heard where they meet."""

import pytest
import torch

from upscaler_core import Chunk, Pipeline, discover
from upscaler_core.dsp import Bandwidth, BandwidthTrack, Segment
from upscaler_core.testing import signals
from upscaler_core.testing.fakes import Hiss, Mirror, MirrorOptions
from upscaler_core.testing.signals import decibels

RATE = 48_000
TELEPHONE, RADIO, STUDIO = Bandwidth(3_400.0), Bandwidth(8_000.0), Bandwidth(24_000.0)
BOUNDED = MirrorOptions(receptive_field=64)
UNBOUNDED = MirrorOptions(receptive_field=None, length_multiple=256)
KINDS = {
    "bounded": lambda: Mirror(BOUNDED),
    "unbounded": lambda: Mirror(UNBOUNDED),
    "noise": lambda: Hiss(BOUNDED),
}


class Known:
    """A detector that knows the track, and how many samples it was given."""

    def __init__(self, track):
        self.track, self.samples = track, 0

    def survey(self, rate):
        self.rate = rate
        return self

    def add(self, block):
        self.samples += block.shape[-1]

    def finish(self):
        return self.track


class Counting(Mirror):
    """Counts the samples that it is run on."""

    samples = 0

    def __call__(self, baseline, conditions):
        self.samples += baseline.shape[-1]
        return super().__call__(baseline, conditions)


def track_of(*segments):
    return BandwidthTrack(tuple(Segment(start, bandwidth) for start, bandwidth in segments))


@pytest.fixture(scope="module")
def resampler():
    return discover().resampler("poly-sinc-hq", dsp_quality="fast")


def pipeline_of(resampler, model, track=None, **settings):
    settings = {"target_rate": RATE, "chunk": Chunk(samples=9_600, overlap=960, context=0.1), **settings}
    return Pipeline(resampler, models={"m": model}, detector=Known(track) if track else None, **settings)


def joined(stream):
    return torch.cat(list(stream), -1)


def level(x, low, high, rate=RATE):
    """Mean power between two frequencies, dB."""
    spectrum = torch.fft.rfft(x.double() * torch.hann_window(x.shape[-1], dtype=torch.float64))
    f = torch.fft.rfftfreq(x.shape[-1], 1 / rate)
    return float(10 * torch.log10(spectrum.abs().square()[..., (f >= low) & (f < high)].mean() + 1e-30))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("rate", "target"), [(16_000, 48_000), (44_100, 96_000), (96_000, 44_100)])
def test_streamed_equals_one_shot(resampler, kind, rate, target):
    track = track_of((0, TELEPHONE), (rate // 5, STUDIO), (rate // 3 + 1, RADIO), (rate // 3 + 50, TELEPHONE))
    pipeline = pipeline_of(resampler, KINDS[kind](), track, target_rate=target, above_edge="replace")
    x = signals.band_limited(rate, 6_000, 0.5, channels=2)[:, :-7]
    whole = pipeline(x, rate)
    assert whole.shape == (2, -(-x.shape[-1] * target // rate))
    assert torch.equal(whole, joined(pipeline.stream(x.split(3_333, -1), rate, bandwidth=track)))


@pytest.mark.parametrize("target", [48_000, 96_000])
def test_each_segment_is_restored_from_its_own_edge(resampler, target):
    x = signals.band_limited(RATE, 3_000, 6.0)
    track = track_of((0, TELEPHONE), (2 * RATE, RADIO), (4 * RATE, STUDIO))
    model = Hiss(BOUNDED)
    model.other_rates = (96_000,)
    added = pipeline_of(resampler, model, track, target_rate=target)(x, RATE)
    added = added - Pipeline(resampler, target_rate=target)(x, RATE)
    first, second, third = (part[:, target // 5 : -target // 5] for part in added.chunk(3, -1))
    tops = [(9_000, 23_000), (26_000, 45_000)][: target // 48_000]
    for low, high in tops:
        assert abs(level(first, low, high, target) - level(second, low, high, target)) < 1
    assert level(first, 4_000, 7_000, target) > level(first, 9_000, 23_000, target) - 1
    assert level(second, 1_000, 7_500, target) < level(second, 9_000, 23_000, target) - 90
    assert level(first, 500, 3_000, target) < level(first, 9_000, 23_000, target) - 90
    assert not third.any()


@pytest.mark.parametrize("kind", ["bounded", "unbounded"])
def test_where_segments_of_two_edges_meet_what_lies_above_both_goes_on(resampler, kind):
    """The fake's result depends on the position of a window, so a wrong one would show."""
    x = signals.tone(1_000, RATE, 4 * RATE)[None]
    track = track_of((0, TELEPHONE), (77_777, RADIO))
    changing = pipeline_of(resampler, KINDS[kind](), track)(x, RATE) - x
    constant = pipeline_of(resampler, KINDS[kind](), cutoff_hz=8_000.0)(x, RATE) - x
    assert decibels(constant, x) > -25
    assert decibels(changing - constant, constant) < -80


def test_nothing_clicks_where_the_models_begin_and_end(resampler):
    x = signals.tone(1_000, RATE, 4 * RATE)[None]
    track = track_of((0, STUDIO), (RATE, TELEPHONE), (3 * RATE, STUDIO))
    added = pipeline_of(resampler, Mirror(BOUNDED), track)(x, RATE) - x  # a tone of 23 kHz for two seconds
    assert not added[:, : RATE - 720].any() and not added[:, 3 * RATE + 720 :].any()
    steady = level(added, 22_990, 23_010)
    gated = added.clone()
    gated[:, : RATE + 333] = 0
    assert level(gated, 5_000, 20_000) > steady - 95  # what a click is
    assert level(added, 5_000, 20_000) < steady - 130
    envelope = added.square().unfold(-1, 480, 480).mean(-1).sqrt()[0]
    middle = envelope[100:300].median()
    assert envelope.max() < 1.01 * middle  # no bump either


def test_models_do_not_run_where_they_add_nothing(resampler):
    x = signals.band_limited(RATE, 3_000, 12.0)
    whole, part = Counting(BOUNDED), Counting(BOUNDED)
    pipeline_of(resampler, whole, track_of((0, TELEPHONE)))(x, RATE)
    pipeline_of(resampler, part, track_of((0, STUDIO), (8 * RATE, TELEPHONE), (10 * RATE, STUDIO)))(x, RATE)
    assert part.samples < whole.samples / 4


def test_a_segment_without_additions_has_the_same_samples_as_the_resampler_alone(resampler):
    x = signals.band_limited(44_100, 3_000, 4.0, channels=2)
    track = track_of((0, STUDIO), (2 * 44_100, TELEPHONE))
    out = pipeline_of(resampler, Mirror(BOUNDED), track, target_rate=96_000, above_edge="replace")(x, 44_100)
    plain = Pipeline(resampler, target_rate=96_000)(x, 44_100)
    assert torch.equal(out[:, : 2 * 96_000 - 4_000], plain[:, : 2 * 96_000 - 4_000])
    assert decibels((out - plain)[:, 3 * 96_000 :], plain) > -40


@pytest.mark.parametrize("kind", KINDS)
def test_segments_of_the_same_bandwidth_are_one(resampler, kind):
    x = signals.band_limited(RATE, 3_000, 2.0)
    pipeline = pipeline_of(resampler, KINDS[kind](), cutoff_hz=3_400.0)
    constant = pipeline(x, RATE)
    for bandwidth in (TELEPHONE, track_of((0, TELEPHONE), (RATE, TELEPHONE), (70_000, Bandwidth(3_400.0)))):
        assert torch.equal(joined(pipeline.stream([x], RATE, bandwidth=bandwidth)), constant)


@pytest.mark.parametrize("kind", KINDS)
def test_digital_silence_stays_silent(resampler, kind):
    x = signals.band_limited(RATE, 3_000, 4.0, channels=2)
    x[0] = 0
    x[1, RATE : 3 * RATE] = 0
    track = track_of((0, TELEPHONE), (2 * RATE, RADIO), (2 * RATE + 30_000, STUDIO))
    out = pipeline_of(resampler, KINDS[kind](), track, above_edge="replace")(x, RATE)
    assert not out[0].any()
    assert not out[1, RATE + 10_000 : 3 * RATE - 10_000].any()


@pytest.mark.parametrize("length", [0, 1, 500, 48_001])
def test_a_track_may_go_on_beyond_the_end(resampler, length):
    x = signals.noise((1, length))
    track = track_of((0, TELEPHONE), (300, STUDIO), (RATE, RADIO), (10 * RATE, TELEPHONE))
    assert pipeline_of(resampler, Mirror(BOUNDED), track, target_rate=96_000)(x, RATE).shape == (1, 2 * length)


def test_a_live_stream_is_surveyed_for_ten_seconds(resampler):
    pipeline = pipeline_of(resampler, Mirror(BOUNDED), track_of((0, TELEPHONE), (5 * RATE, STUDIO)))
    x = signals.band_limited(RATE, 3_000, 15.0)
    out = joined(pipeline.stream(x.split(4_800, -1), RATE))
    assert (pipeline.detector.samples, pipeline.detector.rate) == (10 * RATE, RATE)
    assert torch.equal(out, pipeline(x, RATE))
    assert pipeline.detector.samples == 25 * RATE
    assert torch.equal(out[:, 6 * RATE :], x[:, 6 * RATE :])


def test_a_cutoff_that_is_given_is_not_measured(resampler):
    pipeline = pipeline_of(resampler, Mirror(BOUNDED), track_of((0, STUDIO)), cutoff_hz=5_000.0)
    x = signals.band_limited(RATE, 3_000, 1.0)
    assert pipeline.bandwidth_of([x], RATE) == BandwidthTrack.constant(Bandwidth(5_000.0))
    assert not torch.equal(pipeline(x, RATE), x)
    assert pipeline.detector.samples == 0


def test_old_names_of_the_bandwidth_still_work(resampler):
    pipeline = pipeline_of(resampler, Mirror(BOUNDED), track_of((0, STUDIO), (RATE, RADIO), (2 * RATE, TELEPHONE)))
    x = signals.band_limited(RATE, 3_000, 1.0)
    with pytest.warns(DeprecationWarning, match=r"edge_of is now called bandwidth_of; .* gone in version 0\.3"):
        assert pipeline.edge_of([x], RATE) == TELEPHONE
    with pytest.warns(DeprecationWarning, match=r"stream\(edge=\) is now called bandwidth") as caught:
        old = joined(pipeline.stream([x], RATE, edge=TELEPHONE))
    assert caught[0].filename == __file__
    assert torch.equal(old, joined(pipeline.stream([x], RATE, bandwidth=TELEPHONE)))
