"""Magnitude of one, phase of another; or the mean of both."""

import pytest
import torch

from upscaler_core import Conditions, Estimate, StftConfig, UsageError, discover, istft, stft
from upscaler_core.testing import signals
from upscaler_core.testing.signals import decibels

GRID = StftConfig()


def conditions(cutoff=8_000.0):
    return Conditions(torch.tensor([cutoff]), torch.zeros(1, dtype=torch.int64), 48_000)


def magnitude_phase(**options):
    return discover().fusion("magnitude-phase", **options)


def estimates(loud, timed):
    return {
        "spec": Estimate(log_magnitude=stft(loud, GRID).abs().clamp(min=1e-7).log(), grid=GRID),
        "wave": Estimate(timed),
    }


@pytest.fixture
def x():
    return signals.noise((1, 1, 24_576))


@pytest.mark.parametrize("iterations", [0, 4])
def test_a_signal_s_own_magnitude_and_phase_are_the_signal(x, iterations):
    out = magnitude_phase(iterations=iterations)(estimates(x, x), x, conditions())
    assert decibels(out - x, x) < -90


def test_the_magnitude_is_one_s_and_the_phase_another_s(x):
    out = magnitude_phase()(estimates(10 * x, x), 0 * x, conditions())
    assert decibels(out - 10 * x, 10 * x) < -90


def inconsistency_db(fused, loud):
    """How far the fused signal's magnitudes above the cut-off are from those asked for."""
    above = slice(180, None)
    asked, got = (stft(y, GRID).abs()[:, :, above, 4:-4] for y in (loud, fused))
    return decibels(got - asked, asked)


def test_iterations_make_the_magnitude_hold(x):
    other = estimates(x, signals.noise(tuple(x.shape), seed=8))
    levels = [inconsistency_db(magnitude_phase(iterations=n)(other, x, conditions()), x) for n in (0, 2, 4)]
    assert levels[0] - 2 > levels[1] > levels[2]


def test_iterations_keep_the_phase_below_the_cutoff(x):
    """Where both agree below the cut-off, what is above it must not reach down."""
    below = signals.band_limited(48_000, 6_000, 24_576 / 48_000)[None]
    above = stft(signals.noise(tuple(x.shape), seed=8), GRID)
    above[:, :, :180] = 0
    timed = below + istft(above, GRID, 24_576)
    out = magnitude_phase(iterations=4)(estimates(timed, timed), x, conditions())
    assert decibels(out - timed, timed) < -90


def test_a_random_phase_keeps_the_magnitude_and_the_source(x):
    """The phase below the cut-off is the baseline's, above it chance's: of seed and place alone."""
    fusion = discover().fusion("random-phase", iterations=4)
    below = signals.band_limited(48_000, 6_000, 24_576 / 48_000)[None]
    loud = {"spec": Estimate(log_magnitude=stft(x, GRID).abs().clamp(min=1e-7).log(), grid=GRID)}
    out = fusion(loud, x, conditions())
    assert torch.equal(out, fusion(loud, x, conditions()))
    difference = stft(out - x, GRID).abs()[..., 8:-8]
    assert decibels(difference[:, :, :150], stft(x, GRID).abs()[:, :, :150]) < -40
    assert decibels(difference[:, :, 200:], stft(x, GRID).abs()[:, :, 200:]) > -3  # another phase altogether
    assert inconsistency_db(out, x) < -6
    quiet = {"spec": Estimate(log_magnitude=torch.full_like(loud["spec"].log_magnitude, -16.0), grid=GRID)}
    assert float(fusion(quiet, below, conditions()).abs().max()) < 1e-4


@pytest.mark.parametrize("iterations", [0, 2])
def test_nothing_beyond_the_reach_is_heard(x, iterations):
    fusion = magnitude_phase(iterations=iterations)
    moved = x.clone()
    moved[..., 12_288 + fusion.receptive_field + 256 :] = 0
    moved[..., : 12_288 - fusion.receptive_field - 256] = 0
    a, b = (fusion(estimates(y, y), x, conditions())[..., 12_288] for y in (x, moved))
    assert float((a - b).abs().max()) < 1e-6


def test_where_the_waveform_is_silent_there_is_no_phase_to_take(x):
    """A waveform net that adds nothing is not hidden by the magnitude."""
    out = magnitude_phase()(estimates(x, 0 * x), x, conditions())
    assert float(out.abs().max()) == 0


@pytest.mark.parametrize(
    ("name", "options"), [("magnitude-phase", {"iterations": 0}), ("magnitude-phase", {}), ("blend", {})]
)
def test_gradients_reach_both_models(x, name, options):
    loud, timed = stft(x, GRID).abs().log().requires_grad_(), x.clone().requires_grad_()
    given = {"spec": Estimate(x * 1, loud, None, GRID), "wave": Estimate(timed)}
    discover().fusion(name, **options)(given, x, conditions()).square().mean().backward()
    for leaf in (timed, loud) if name == "magnitude-phase" else (timed,):
        assert leaf.grad is not None
        assert leaf.grad.isfinite().all()
        assert leaf.grad.any()


def test_blend_weighs(x):
    fused = discover().fusion("blend", weights={"a": 3, "b": 1})({"a": Estimate(x), "b": Estimate(-x)}, x, conditions())
    assert decibels(fused - x / 2, x) < -120


@pytest.mark.parametrize(
    ("fusion", "names", "sentence"),
    [
        (("magnitude-phase", {}), "ab", "the model 'spec', but the pipeline's are a, b"),
        (("magnitude-phase", {"magnitude": "a", "phase": "b"}), "ab", "'a' gives no magnitude"),
        (("blend", {"weights": {"c": 1}}), "ab", "no model 'c'; the pipeline's are a, b"),
    ],
)
def test_a_wrong_name_is_told(x, fusion, names, sentence):
    name, options = fusion
    with pytest.raises(UsageError, match=sentence):
        discover().fusion(name, **options)({n: Estimate(x) for n in names}, x, conditions())


def test_weights_that_cancel_are_refused():
    with pytest.raises(UsageError, match="sum up to 0"):
        discover().fusion("blend", weights={"a": 1, "b": -1})
