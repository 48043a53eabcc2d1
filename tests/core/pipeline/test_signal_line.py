"""The line itself, with fake models: what is added, where, and that nothing else changes."""

import subprocess
import sys

import pytest
import torch

from upscaler_core import Chunk, Estimate, Pipeline, UpscalerError
from upscaler_core.testing import fakes, signals
from upscaler_core.testing.fakes import CrossOptions, Gain, GainOptions, Hiss, Louder, MeanFusion, Mirror, MirrorOptions
from upscaler_core.testing.signals import decibels

BOUNDED = MirrorOptions(receptive_field=64)
UNBOUNDED = MirrorOptions(receptive_field=None, length_multiple=256)


@pytest.fixture(scope="module")
def resampler():
    from upscaler_core import discover

    return discover().resampler("poly-sinc-hq", dsp_quality="fast")


def joined(stream):
    return torch.cat(list(stream), -1)


def pipeline_of(resampler, *models, **settings):
    settings = {"target_rate": 48_000, "cutoff_hz": 6_000.0, "chunk": Chunk(samples=9_600, overlap=960), **settings}
    fusion = settings.pop("fusion", MeanFusion(None) if len(models) > 1 else None)
    return Pipeline(resampler, models={f"m{i}": m for i, m in enumerate(models)}, fusion=fusion, **settings)


def level_in(x, rate, low, high):
    spectrum = torch.fft.rfft(x.double() * torch.hann_window(x.shape[-1], dtype=torch.float64))
    f = torch.fft.rfftfreq(x.shape[-1], 1 / rate)
    return 10 * torch.log10(spectrum.abs().square()[..., (f >= low) & (f < high)].mean() + 1e-30)


MODELS = {
    "bounded": lambda: [Mirror(BOUNDED)],
    "unbounded": lambda: [Mirror(UNBOUNDED)],
    "mixed": lambda: [Mirror(BOUNDED), Mirror(UNBOUNDED)],
    "noise": lambda: [Hiss(BOUNDED)],
}


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(("rate", "target"), [(16_000, 48_000), (44_100, 96_000), (48_000, 44_100), (96_000, 96_000)])
def test_streamed_equals_one_shot(resampler, kind, rate, target):
    pipeline = pipeline_of(resampler, *MODELS[kind](), target_rate=target)
    x = signals.band_limited(rate, 6_000, 1.0, channels=2)
    whole = pipeline(x, rate)
    assert whole.shape == (2, -(-x.shape[-1] * target // rate))
    blocks = [*x.split(3_333, -1)]
    assert torch.equal(whole, joined(pipeline.stream(blocks, rate)))


@pytest.mark.parametrize("kind", MODELS)
def test_the_source_band_is_the_sources_own(resampler, kind):
    x = signals.band_limited(16_000, 5_500, 2.0)
    baseline = Pipeline(resampler, target_rate=48_000)(x, 16_000)
    out = pipeline_of(resampler, *MODELS[kind]())(x, 16_000)
    added = (out - baseline)[0, 4_000:-4_000]
    assert decibels(added, baseline[0]) > -60  # something was added
    assert level_in(added, 48_000, 0, 5_800) < level_in(added, 48_000, 6_200, 24_000) - 90


def test_keep_source_band_false_is_the_models_own_output(resampler):
    x = signals.band_limited(48_000, 5_500, 1.0)
    out = pipeline_of(resampler, Mirror(BOUNDED), keep_source_band=False)(x, 48_000)
    n = torch.arange(x.shape[-1])
    mirrored = out - x
    assert decibels(mirrored, x) > -22
    assert decibels(mirrored * (1 - 2 * (n % 2)) - 0.1 * x, 0.1 * x) < -30  # right sign at every position


def test_bounded_and_unbounded_agree(resampler):
    """Chunks with context and cross-fades come to what exact windows give."""
    x = signals.band_limited(48_000, 5_500, 2.0)
    exact = pipeline_of(resampler, Mirror(BOUNDED))(x, 48_000)
    chunked = pipeline_of(resampler, Mirror(UNBOUNDED))(x, 48_000)
    assert decibels(exact - chunked, exact - x) < -100


def test_no_line_at_the_chunk_rate(resampler):
    """The envelope of what is added has no line at the rate of the chunks (-40 dB)."""
    x = signals.tone(1_000, 48_000, 10 * 48_000)[None]
    pipeline = pipeline_of(resampler, Mirror(UNBOUNDED), chunk=Chunk(samples=9_600, overlap=960, context=0.1))
    added = (pipeline(x, 48_000) - x)[0, 24_000:-24_000]
    envelope = added.square().unfold(-1, 480, 480).mean(-1).sqrt()  # 100 Hz
    spectrum = torch.fft.rfft((envelope - envelope.mean()) * torch.hann_window(len(envelope))).abs()
    f = torch.fft.rfftfreq(len(envelope), 1 / 100)
    line = spectrum[(f - 48_000 / (9_600 - 960)).abs() < 0.3].max() * 4 / len(envelope)
    assert 20 * torch.log10(line / envelope.mean()) < -40


def test_magnitude_and_phase_from_two_models(resampler):
    fusion = fakes.Cross(CrossOptions(magnitude="m0", phase="m1"))
    pipeline = pipeline_of(resampler, Louder(UNBOUNDED), Mirror(BOUNDED), fusion=fusion)
    x = signals.band_limited(16_000, 5_500, 2.0)
    out = pipeline(x, 16_000)[0]
    assert level_in(out, 48_000, 7_000, 20_000) > level_in(out, 48_000, 1_000, 5_000) - 40
    assert out.isfinite().all()


def test_a_source_above_the_models_rate_keeps_its_content(resampler):
    x = signals.tone(30_000, 96_000, 96_000)[None] + signals.band_limited(96_000, 5_500, 1.0)
    out = pipeline_of(resampler, Mirror(BOUNDED), target_rate=96_000)(x, 96_000)
    assert abs(level_in(out, 96_000, 29_900, 30_100) - level_in(x, 96_000, 29_900, 30_100)) < 0.01


def test_nothing_is_restored_above_the_models_nyquist(resampler):
    x = signals.band_limited(16_000, 5_500, 1.0)
    out = pipeline_of(resampler, Hiss(BOUNDED), target_rate=192_000)(x, 16_000)[0, 20_000:-20_000]
    assert level_in(out, 192_000, 25_000, 96_000) < level_in(out, 192_000, 10_000, 20_000) - 100


class Recorder(Hiss):
    """Tells the rates that it was run at."""

    other_rates = (44_100,)

    def __init__(self):
        super().__init__(BOUNDED)
        self.rates = set()

    def __call__(self, baseline, conditions):
        self.rates.add(conditions.rate)
        return super().__call__(baseline, conditions)


@pytest.mark.parametrize(
    ("target", "at"), [(44_100, 44_100), (176_400, 44_100), (48_000, 48_000), (384_000, 48_000), (32_000, 48_000)]
)
def test_a_model_of_two_rates_is_run_at_the_one_that_fits_the_target(resampler, target, at):
    model = Recorder()
    pipeline_of(resampler, model, target_rate=target)(signals.band_limited(16_000, 5_500, 0.2), 16_000)
    assert model.rates == {at}


def test_a_rate_that_fits_restores_up_to_the_top(resampler):
    x = signals.band_limited(16_000, 5_500, 1.0)
    tops = []
    for model in (Recorder(), Hiss(BOUNDED)):
        out = pipeline_of(resampler, model, target_rate=44_100)(x, 16_000)[0, 5_000:-5_000]
        tops.append(level_in(out, 44_100, 21_600, 22_000) - level_in(out, 44_100, 15_000, 20_000))
    assert tops[0] > -1
    assert tops[1] < -10


@pytest.mark.parametrize(("target", "top"), [(48_000, 24_000), (96_000, 48_000), (192_000, 48_000), (44_100, 22_050)])
def test_a_model_that_works_at_twice_its_rate_restores_the_octave_above(resampler, target, top):
    x = signals.band_limited(16_000, 5_500, 1.0)
    model = Hiss(BOUNDED)
    model.other_rates = (44_100, 96_000)
    pipeline = pipeline_of(resampler, model, target_rate=target)
    out = pipeline(x, 16_000)[0, target // 8 : -target // 8]
    levels = [level_in(out, target, f, f + 1_000) for f in range(7_000, target // 2 - 1_000, 2_000)]
    filled = torch.stack(levels[: (top - 9_000) // 2_000])
    assert filled.min() > filled.max() - 10
    if target > 2 * top:
        assert level_in(out, target, top + 1_000, target / 2) < filled.min() - 90
    blocks = x.split(1_777, -1)
    assert torch.equal(joined(pipeline.stream(blocks, 16_000)), pipeline(x, 16_000))


PEAK = """
import resource, sys, torch
from upscaler_core import Chunk, Pipeline, discover
from upscaler_core.dsp import Bandwidth, BandwidthTrack, Segment
from upscaler_core.testing.fakes import Hiss, MirrorOptions
torch.set_num_threads(1)
minutes, target, seconds = map(int, sys.argv[1:])
model = Hiss(MirrorOptions(receptive_field=None, length_multiple=256))
model.other_rates = (96_000,)
chunk = Chunk(samples=48_000)
pipeline = Pipeline(discover().resampler("poly-sinc-hq"), target, {"m": model}, above_edge="replace", chunk=chunk)
starts, cutoffs = range(0, 48_000 * 60 * minutes, 48_000 * seconds), (8_000.0, 3_400.0, 24_000.0)
track = BandwidthTrack(tuple(Segment(start, Bandwidth(cutoffs[k % 3])) for k, start in enumerate(starts)))
blocks = (torch.full((2, 48_000), 0.1) for _ in range(60 * minutes))
for _ in pipeline.stream(blocks, 48_000, bandwidth=track):
    pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("target", "seconds"), [(48_000, 3_600), (96_000, 7)])
def test_memory_does_not_grow_with_the_signal_or_its_segments(target, seconds):
    def peak(minutes):
        command = [sys.executable, "-c", PEAK, str(minutes), str(target), str(seconds)]
        return int(subprocess.run(command, check=True, capture_output=True).stdout)

    assert peak(6) < 1.12 * peak(1)


def test_models_share_a_rate_or_are_refused(resampler):
    both = pipeline_of(resampler, Mirror(MirrorOptions(rate=44_100)), Recorder())
    x = signals.band_limited(16_000, 5_500, 0.2)
    assert both(x, 16_000).shape[-1] == 9_600
    assert both.models["m1"].rates == {44_100}


def test_full_band_comes_out_as_the_baseline(resampler):
    x = signals.noise((2, 48_000))
    baseline = Pipeline(resampler, target_rate=96_000)(x, 48_000)
    for settings in ({"cutoff_hz": 20_000.0}, {"cutoff_hz": None}, {"cutoff_hz": 5_000.0, "target_rate": 8_000}):
        pipeline = pipeline_of(resampler, Mirror(BOUNDED), **{"target_rate": 96_000, **settings})
        if pipeline.target_rate == 96_000:
            assert torch.equal(pipeline(x, 48_000), baseline)
        assert pipeline.skip_reason(pipeline.cutoff_hz or 24_000)


def test_a_measured_cutoff_is_the_signals_own(resampler):
    x = signals.band_limited(48_000, 8_000, 4.0)
    pipeline = pipeline_of(resampler, Mirror(BOUNDED), cutoff_hz=None)
    assert pipeline.bandwidth_of([x], 48_000).lowest.cutoff_hz == pytest.approx(8_000, rel=0.05)
    assert torch.equal(pipeline(x, 48_000), joined(pipeline.stream(x.split(5_000, -1), 48_000)))


@pytest.mark.parametrize("stereo", ["independent", "mid-side"])
def test_dual_mono_stays_dual_mono_and_mono_equals_its_channel(resampler, stereo):
    x = signals.band_limited(16_000, 5_500, 1.0)
    pipeline = pipeline_of(resampler, Hiss(BOUNDED), stereo=stereo)
    out = pipeline(torch.cat([x, x]), 16_000)
    assert torch.equal(out[0], out[1])
    if stereo == "independent":
        assert torch.equal(out[:1], pipeline(x, 16_000))


@pytest.mark.parametrize("stereo", ["independent", "mid-side"])
@pytest.mark.parametrize("kind", MODELS)
def test_digital_silence_stays_silent(resampler, kind, stereo):
    x = signals.band_limited(48_000, 5_500, 4.0, channels=2)
    x[0] = 0  # one channel silent throughout, the other for two seconds
    x[1, 48_000 : 3 * 48_000] = 0
    out = pipeline_of(resampler, *MODELS[kind](), stereo=stereo)(x, 48_000)
    assert not out[0].any()
    assert not out[1, 48_000 + 30_000 : 3 * 48_000 - 30_000].any()
    assert out[1, :40_000].abs().max() > 0.05


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_the_chunk_batch_changes_nothing(resampler, batch):
    x = signals.band_limited(48_000, 5_500, 2.0)
    chunk = Chunk(samples=9_600, overlap=960, batch=batch)
    one = pipeline_of(resampler, Mirror(UNBOUNDED))(x, 48_000)
    assert torch.equal(one, pipeline_of(resampler, Mirror(UNBOUNDED), chunk=chunk)(x, 48_000))


def test_any_leading_shape_any_channel_count_and_arrays(resampler):
    pipeline = pipeline_of(resampler, Mirror(BOUNDED))
    x = signals.noise((2, 5, 3_000))
    out = pipeline(x, 16_000)
    assert out.shape == (2, 5, 9_000)
    assert torch.equal(pipeline(x[1, 3], 16_000), out[1, 3])
    assert (pipeline(x[1].numpy(), 16_000) == out[1].numpy()).all()
    blocks = [block.numpy() for block in x[1].split(700, -1)]
    assert torch.equal(joined(pipeline.stream(blocks, 16_000)), out[1])
    assert pipeline(x[..., :0], 16_000).shape == (2, 5, 0)
    assert pipeline(x[..., :1], 16_000).shape == (2, 5, 3)


def test_the_same_seed_gives_the_same_bytes_another_one_others(resampler):
    x = signals.band_limited(16_000, 5_500, 1.0)
    a, b, c = (pipeline_of(resampler, Hiss(BOUNDED), seed=seed)(x, 16_000) for seed in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_finishers_come_last(resampler):
    x = signals.noise((2, 8_000))
    plain = Pipeline(resampler, target_rate=48_000)(x, 16_000)
    turned = Pipeline(resampler, target_rate=48_000, finish=[Gain(GainOptions(gain_db=-20))])(x, 16_000)
    assert torch.allclose(turned, plain * 0.1, atol=1e-6)


class Wrong:
    rate, length_multiple, receptive_field = 48_000, 1, 0

    def __call__(self, baseline, conditions):
        return Estimate(baseline[..., :-1])


def test_what_cannot_work_is_said(resampler):
    with pytest.raises(UpscalerError, match="need a fusion"):
        Pipeline(resampler, models={"a": Mirror(BOUNDED), "b": Mirror(BOUNDED)})
    with pytest.raises(UpscalerError, match="one rate"):
        pipeline_of(resampler, Mirror(BOUNDED), Mirror(MirrorOptions(rate=44_100)))
    with pytest.raises(UpscalerError, match="no waveform"):
        pipeline_of(resampler, Louder(UNBOUNDED))(signals.noise((1, 48_000)), 48_000)
    with pytest.raises(UpscalerError, match="returned"):
        pipeline_of(resampler, Wrong())(signals.noise((1, 48_000)), 48_000)
    with pytest.raises(UpscalerError, match="floating point"):
        pipeline_of(resampler)(torch.zeros(1, 10, dtype=torch.int16), 48_000)
    with pytest.raises(UpscalerError, match="whole number of Hz"):
        pipeline_of(resampler)(torch.zeros(1, 10), 0)
