"""What a source has above its edge: images of a cheap interpolation make room for what the models add."""

import itertools

import numpy as np
import pytest
import torch

from upscaler_core import Pipeline, discover
from upscaler_core.dsp import Bandwidth, BandwidthTrack, Segment
from upscaler_core.dsp.filters import above_edge_plan
from upscaler_core.dsp.streaming import run
from upscaler_core.testing import signals
from upscaler_core.testing.fakes import Hiss, Mirror, MirrorOptions

RATE, LOW_RATE = 48_000, 8_000
CUTOFF = 0.96 * LOW_RATE / 2
IMAGES = Bandwidth(CUTOFF, 20.0, 400.0, above="images")
CLEAN = Bandwidth(CUTOFF, 60.0, 400.0, above="nothing")
MODEL = MirrorOptions(receptive_field=64, level=0.1)


@pytest.fixture(scope="module")
def resampler():
    return discover().resampler("poly-sinc-hq", dsp_quality="fast")


def interpolated(seconds=2.0, kind="linear"):
    """What `numpy.interp`, or repetition, makes at 48 kHz of material of 8 kHz that ends at 3,840 Hz: `[1, time]`."""
    low = signals.band_limited(LOW_RATE, CUTOFF, seconds)[0].double().numpy()
    n = np.arange(len(low) * RATE // LOW_RATE)
    high = np.interp(n * LOW_RATE / RATE, np.arange(len(low)), low) if kind == "linear" else np.repeat(low, 6)
    return torch.from_numpy(high)[None].float()


def pipeline_of(resampler, model=Mirror, **settings):
    settings = {"target_rate": RATE, **settings}
    return Pipeline(resampler, models={"m": model(MODEL)}, **settings)


def enhanced(pipeline, x, bandwidth):
    return torch.cat(list(pipeline.stream([x], RATE, bandwidth=bandwidth)), -1)


def bands(x, *frequencies):
    """Mean power in each band between successive frequencies, dB, away from the ends."""
    x = x[:, 5_000:-5_000].double()
    power = torch.fft.rfft(x * torch.hann_window(x.shape[-1], dtype=torch.float64)).abs().square().mean(0)
    f = torch.fft.rfftfreq(x.shape[-1], 1 / RATE)
    parts = [power[(f >= low) & (f < high)].mean() for low, high in itertools.pairwise(frequencies)]
    return 10 * torch.log10(torch.stack(parts) + 1e-30)


class Nothing(Mirror):
    """A model that adds nothing, so that what is left of the source is seen."""

    def __call__(self, baseline, conditions):
        estimate = super().__call__(baseline, conditions)
        estimate.waveform.copy_(baseline)
        return estimate


@pytest.mark.parametrize("kind", ["linear", "repeated"])
def test_images_are_gone_and_the_band_below_is_as_it_was(resampler, kind):
    x = interpolated(kind=kind)
    out = enhanced(pipeline_of(resampler, Nothing), x, IMAGES)
    below = [*range(200, 3_801, 200), CUTOFF - 5]
    assert (bands(out, *below) - bands(x, *below)).abs().max() < 0.1
    images = [LOW_RATE - CUTOFF + 10, LOW_RATE - 1_000, LOW_RATE + 1_000, 3 * LOW_RATE - 5_000]
    assert (bands(x, *images) - bands(out, *images)).min() > 60


def test_the_models_meet_the_cleaned_source_and_add_to_it(resampler):
    """The fake mirrors what it meets at 12 kHz: the images of 4 to 12 kHz would come out at 12 to 20 kHz."""
    x = interpolated()
    kept, replaced = (enhanced(pipeline_of(resampler), x, bandwidth) for bandwidth in (CLEAN, IMAGES))
    mirrored = (RATE / 2 - CUTOFF, RATE / 2 - 100)
    assert abs(bands(kept, *mirrored) - bands(replaced, *mirrored)) < 0.5
    assert bands(replaced, *mirrored) > bands(x, 200, CUTOFF) - 25
    assert bands(replaced, 4_200, 19_800) < bands(kept, 4_200, 19_800) - 60


@pytest.mark.parametrize(
    ("above_edge", "bandwidth", "replaced"),
    [
        ("auto", IMAGES, True),
        ("auto", CLEAN, False),
        ("keep", IMAGES, False),
        ("replace", IMAGES, True),
        ("replace", CLEAN, True),
    ],
)
def test_when_it_is_replaced(resampler, above_edge, bandwidth, replaced):
    x = interpolated(1.0)
    out = enhanced(pipeline_of(resampler, Nothing, above_edge=above_edge), x, bandwidth)
    assert torch.equal(out, x) is not replaced


def test_without_models_or_where_they_add_nothing_the_source_is_untouched(resampler):
    x = interpolated(1.0)
    alone = Pipeline(resampler, target_rate=RATE, above_edge="replace")
    assert torch.equal(alone(x, RATE), x)
    full = Bandwidth(20_000.0, 20.0, 400.0, above="images")
    assert torch.equal(enhanced(pipeline_of(resampler, Hiss, above_edge="replace"), x, full), x)


def test_the_source_is_cross_faded_where_images_begin(resampler):
    x = interpolated(3.0)
    track = BandwidthTrack((Segment(0, CLEAN), Segment(RATE, IMAGES), Segment(2 * RATE, CLEAN)))
    out = enhanced(pipeline_of(resampler, Nothing), x, track)
    assert torch.equal(out[:, : RATE - 720], x[:, : RATE - 720])
    assert torch.equal(out[:, 2 * RATE + 720 :], x[:, 2 * RATE + 720 :])
    inside = out[:, RATE + 720 : 2 * RATE - 720]
    assert bands(inside, 4_200, 20_000) < bands(x[:, : RATE - 1_440], 4_200, 20_000) - 60
    tone = signals.tone(10_000, RATE, 3 * RATE)[None]
    faded = enhanced(pipeline_of(resampler, Nothing), tone, track)
    assert bands(faded, 15_000, 24_000) < bands(tone, 9_990, 10_010) - 130  # no click


def test_models_of_another_rate_meet_the_same(resampler):
    x = interpolated()
    for target in (44_100, 96_000):
        pipeline = pipeline_of(resampler, Nothing, target_rate=target)
        out = enhanced(pipeline, x, IMAGES)
        plain = Pipeline(resampler, target_rate=target)(x, RATE)
        scale = RATE / target
        assert (bands(out, 200, CUTOFF * scale) - bands(plain, 200, CUTOFF * scale)).abs() < 0.1
        assert bands(out, 4_200 * scale, 20_000 * scale) < bands(plain, 4_200 * scale, 20_000 * scale) - 60


@pytest.mark.parametrize("rate", [16_000, 44_100, 192_000])
@pytest.mark.parametrize("cutoff", [500.0, 3_400.0, 7_000.0])
def test_the_filter_is_flat_to_the_cutoff_and_begins_before_the_images(rate, cutoff):
    impulse = torch.zeros(1, 1 << 17, dtype=torch.float64)
    impulse[:, 1 << 16] = 1
    removed = torch.cat(list(run(above_edge_plan(rate, cutoff), [impulse])), -1)
    f = torch.fft.rfftfreq(impulse.shape[-1], 1 / rate)
    kept = 20 * torch.log10(torch.fft.rfft(impulse - removed)[0].abs() + 1e-12)
    assert kept[f <= cutoff].abs().max() < 0.001
    assert kept[f >= cutoff * (2 / 0.96 - 1) + 1].max() < -95
    assert kept[(f - cutoff / 0.96).abs().argmin()] == pytest.approx(-6, abs=1)


def test_there_is_no_filter_where_no_image_has_room():
    assert above_edge_plan(16_000, 7_800.0) is None
    assert above_edge_plan(48_000, 24_000.0) is None
