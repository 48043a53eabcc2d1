"""The magnitude of one model and the phase of another, or the mean of both."""

import pytest
import torch

from upscaler_core import Conditions, Estimate, StftConfig, UsageError, discover, istft, stft
from upscaler_core.testing import signals
from upscaler_core.testing.signals import decibels

STFT = StftConfig()


def conditions(cutoff=8_000.0):
    return Conditions(torch.tensor([cutoff]), torch.zeros(1, dtype=torch.int64), 48_000)


def magnitude_phase(**options):
    return discover().fusion("magnitude-phase", **options)


def estimates(magnitude_of, phase_of):
    return {
        "spec": Estimate(log_magnitude=stft(magnitude_of, STFT).abs().clamp(min=1e-7).log(), grid=STFT),
        "wave": Estimate(phase_of),
    }


@pytest.fixture
def x():
    return signals.noise((1, 1, 24_576))


@pytest.mark.parametrize("iterations", [0, 4])
def test_a_signal_s_own_magnitude_and_phase_are_the_signal(x, iterations):
    out = magnitude_phase(iterations=iterations)(estimates(x, x), x, conditions())
    assert decibels(out - x, x) < -90


def test_the_magnitude_and_the_phase_come_from_different_models(x):
    out = magnitude_phase()(estimates(10 * x, x), 0 * x, conditions())
    assert decibels(out - 10 * x, 10 * x) < -90


def inconsistency_db(fused, target):
    """How far the fused signal's magnitudes above the cut-off are from the target's, dB."""
    above = slice(180, None)
    wanted, actual = (stft(y, STFT).abs()[:, :, above, 4:-4] for y in (target, fused))
    return decibels(actual - wanted, wanted)


def test_iterations_bring_the_magnitude_closer_to_the_model_s(x):
    other = estimates(x, signals.noise(tuple(x.shape), seed=8))
    levels = [inconsistency_db(magnitude_phase(iterations=n)(other, x, conditions()), x) for n in (0, 2, 4)]
    assert levels[0] - 2 > levels[1] > levels[2]


def test_iterations_keep_the_phase_below_the_cutoff(x):
    """Where both models agree below the cut-off, what is above it must change nothing below it."""
    below = signals.band_limited(48_000, 6_000, 24_576 / 48_000)[None]
    above = stft(signals.noise(tuple(x.shape), seed=8), STFT)
    above[:, :, :180] = 0
    waveform = below + istft(above, STFT, 24_576)
    out = magnitude_phase(iterations=4)(estimates(waveform, waveform), x, conditions())
    assert decibels(out - waveform, waveform) < -90


def test_a_random_phase_keeps_the_magnitude_and_the_source(x):
    """The phase is the baseline's below the cut-off, and above it that of noise, which depends only on seed and place."""
    fusion = discover().fusion("random-phase", iterations=4)
    below = signals.band_limited(48_000, 6_000, 24_576 / 48_000)[None]
    model = {"spec": Estimate(log_magnitude=stft(x, STFT).abs().clamp(min=1e-7).log(), grid=STFT)}
    out = fusion(model, x, conditions())
    assert torch.equal(out, fusion(model, x, conditions()))
    difference = stft(out - x, STFT).abs()[..., 8:-8]
    assert decibels(difference[:, :, :150], stft(x, STFT).abs()[:, :, :150]) < -40
    assert decibels(difference[:, :, 200:], stft(x, STFT).abs()[:, :, 200:]) > -3  # another phase altogether
    assert inconsistency_db(out, x) < -6
    quiet = {"spec": Estimate(log_magnitude=torch.full_like(model["spec"].log_magnitude, -16.0), grid=STFT)}
    assert float(fusion(quiet, below, conditions()).abs().max()) < 1e-4


@pytest.mark.parametrize("iterations", [0, 2])
def test_nothing_beyond_the_receptive_field_matters(x, iterations):
    fusion = magnitude_phase(iterations=iterations)
    moved = x.clone()
    moved[..., 12_288 + fusion.receptive_field + 256 :] = 0
    moved[..., : 12_288 - fusion.receptive_field - 256] = 0
    a, b = (fusion(estimates(y, y), x, conditions())[..., 12_288] for y in (x, moved))
    assert float((a - b).abs().max()) < 1e-6


def test_a_silent_waveform_gives_silence(x):
    """If a waveform network adds nothing, the magnitude does not hide it."""
    out = magnitude_phase()(estimates(x, 0 * x), x, conditions())
    assert float(out.abs().max()) == 0


@pytest.mark.parametrize(
    ("name", "options"), [("magnitude-phase", {"iterations": 0}), ("magnitude-phase", {}), ("blend", {})]
)
def test_gradients_reach_both_models(x, name, options):
    log_magnitude, waveform = stft(x, STFT).abs().log().requires_grad_(), x.clone().requires_grad_()
    models = {"spec": Estimate(x * 1, log_magnitude, None, STFT), "wave": Estimate(waveform)}
    discover().fusion(name, **options)(models, x, conditions()).square().mean().backward()
    for leaf in (waveform, log_magnitude) if name == "magnitude-phase" else (waveform,):
        assert leaf.grad is not None
        assert leaf.grad.isfinite().all()
        assert leaf.grad.any()


def test_blend_weighs(x):
    fused = discover().fusion("blend", weights={"a": 3, "b": 1})({"a": Estimate(x), "b": Estimate(-x)}, x, conditions())
    assert decibels(fused - x / 2, x) < -120


@pytest.mark.parametrize(
    ("fusion", "names", "message"),
    [
        (("magnitude-phase", {}), "ab", "the model 'spec', but the pipeline's are a, b"),
        (("magnitude-phase", {"magnitude": "a", "phase": "b"}), "ab", "'a' gives no magnitude"),
        (("blend", {"weights": {"c": 1}}), "ab", "no model 'c'; the pipeline's are a, b"),
    ],
)
def test_a_wrong_name_is_an_error_that_says_so(x, fusion, names, message):
    name, options = fusion
    with pytest.raises(UsageError, match=message):
        discover().fusion(name, **options)({n: Estimate(x) for n in names}, x, conditions())


def test_weights_that_cancel_are_refused():
    with pytest.raises(UsageError, match="sum up to 0"):
        discover().fusion("blend", weights={"a": 1, "b": -1})
