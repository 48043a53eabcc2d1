"""The enhancement step: what training runs on whole excerpts is what a pipeline runs on a stream."""

import pytest
import torch

from upscaler_core import Conditions, Estimate, Pipeline, UsageError, discover
from upscaler_core.dsp import Bandwidth
from upscaler_core.pipeline import EnhancementStep
from upscaler_core.testing import signals
from upscaler_core.testing.fakes import Hiss, Louder, MeanFusion, Mirror, MirrorOptions

RATE = 48_000


def on_excerpt(step, x, conditions):
    """The step on `[batch, channel, time]` at once, as training runs it."""
    baseline = step.to_models(x).flatten(0, 1)[:, None]
    fused = step.fuse(step.estimate(baseline, conditions), baseline, conditions)
    return step.from_models(step.limit_to_added_band(fused, baseline, conditions).reshape(x.shape))


@pytest.mark.parametrize("keep_source_band", [True, False])
@pytest.mark.parametrize("stereo", ["independent", "mid-side"])
def test_on_an_excerpt_it_does_what_a_pipeline_does_on_a_stream(stereo, keep_source_band):
    models = {"mirror": Mirror(MirrorOptions(receptive_field=64)), "hiss": Hiss(MirrorOptions(receptive_field=64))}
    fusion = MeanFusion(None)
    pipeline = Pipeline(
        discover().resampler("linear"), RATE, models, fusion, stereo=stereo, cutoff_hz=8_000.0,
        keep_source_band=keep_source_band,
    )  # fmt: skip
    x = signals.band_limited(RATE, 8_000, 1.0, channels=2)
    conditions = Conditions(torch.full((2,), 8_000.0), torch.zeros(2, dtype=torch.int64), RATE)
    whole = on_excerpt(pipeline.enhancement, x[None], conditions)[0]
    assert signals.decibels(pipeline(x, RATE) - whole, whole) < -90
    assert signals.decibels(whole - x, x) > -30  # and that is not nothing


def test_both_filter_from_where_the_edge_begins():
    """The streamed filter is given the edge, the differentiable one the conditions: the same frequency counts."""
    step = EnhancementStep({"mirror": Mirror(MirrorOptions())})
    edge = Bandwidth(8_000.0, drop_db=40.0, slope=24.0)
    assert edge.begin_hz < 5_100
    noise = signals.noise((1, 1, RATE))
    conditions = Conditions(
        torch.tensor([edge.cutoff_hz]), torch.zeros(1, dtype=torch.int64), RATE, begin_hz=torch.tensor([edge.begin_hz])
    )
    whole = step.limit_to_added_band(noise, torch.zeros_like(noise), conditions)[0]
    plan = step.added_band_plan(RATE, edge)
    padded = torch.nn.functional.pad(noise[0], (plan.receptive_field, plan.block_in))
    streamed = plan.function(padded[:, : plan.block_in + 2 * plan.receptive_field], 0)
    assert signals.decibels(streamed - whole[:, : plan.block_in], whole) < -100


def test_it_has_a_gradient():
    step = EnhancementStep({"mirror": Mirror(MirrorOptions())}, stereo="mid-side")
    x = signals.noise((2, 2, 9_600)).requires_grad_()
    conditions = Conditions(torch.full((4,), 8_000.0), torch.zeros(4, dtype=torch.int64), RATE)
    on_excerpt(step, x, conditions).square().sum().backward()
    assert bool(x.grad.isfinite().all()) and bool(x.grad.any())


def test_what_does_not_fit_is_refused():
    mirror, slow = Mirror(MirrorOptions()), Mirror(MirrorOptions(rate=44_100))
    with pytest.raises(UsageError, match="must work at one rate, not at a: 48000 Hz, b: 44100 Hz"):
        EnhancementStep({"a": mirror, "b": slow}, MeanFusion(None))
    with pytest.raises(UsageError, match="2 models need a fusion"):
        EnhancementStep({"a": mirror, "b": mirror})
    conditions = Conditions(torch.tensor([8_000.0]), torch.zeros(1, dtype=torch.int64), RATE)
    step, x = EnhancementStep({"loud": Louder(MirrorOptions())}), torch.zeros(1, 1, 1_024)
    with pytest.raises(UsageError, match="'loud' gives a magnitude, no waveform"):
        step.fuse(step.estimate(x, conditions), x, conditions)


def test_windows_and_rates_that_suit_all_models():
    a, b = Mirror(MirrorOptions(receptive_field=100, length_multiple=256)), Hiss(MirrorOptions(length_multiple=384))
    a.other_rates = b.other_rates = (96_000, 44_100)
    step = EnhancementStep({"a": a, "b": b}, MeanFusion(None))
    assert (step.length_multiple, step.receptive_field, step.rates) == (768, 768, [48_000, 96_000, 44_100])
    b.receptive_field = None
    assert step.receptive_field is None


def test_estimates_are_float32_whatever_the_network_computed_in():
    def half(baseline, conditions):
        return Estimate(baseline.bfloat16())

    half.rate = RATE
    conditions = Conditions(torch.tensor([8_000.0]), torch.zeros(1, dtype=torch.int64), RATE)
    assert (
        EnhancementStep({"half": half}).estimate(torch.zeros(1, 1, 8), conditions)["half"].waveform.dtype
        == torch.float32
    )
