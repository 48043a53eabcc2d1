"""Properties of the networks: fixed initial weights, folding that changes nothing, noise that depends on position alone."""

from dataclasses import replace

import pytest
import torch

from upscaler_core import Conditions, Estimate, StftConfig, discover, stft
from upscaler_core.models import computing
from upscaler_core.testing import signals
from upscaler_core.testing.signals import decibels

NAMES = ["waveform-unet", "spectral-unet"]
SMALL = {"checkpoint": "none", "precision": "float32", "base_channels": 16, "num_layers": 3}


def build(name, **options):
    return discover().model(name, **{**SMALL, **options})


def conditions(batch=1, start=0, cutoff=8_000.0):
    return Conditions(torch.full((batch,), cutoff), torch.full((batch,), start), 48_000, seed=3)


def view(estimate):
    return estimate.log_magnitude if estimate.waveform is None else estimate.waveform


def run(model, x, condition=None):
    with torch.no_grad():
        return view(model(x, condition or conditions(len(x))))


@pytest.fixture
def x():
    return signals.band_limited(48_000, 7_500, 16_384 / 48_000)[None]


@pytest.mark.parametrize("name", NAMES)
def test_untrained_weights_are_always_the_same_and_leave_torch_s_generator_alone(name):
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first, second = build(name).state_dict(), build(name).state_dict()
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", NAMES)
def test_folding_changes_nothing_and_follows_the_weights(name, x):
    model = build(name).train()
    for _ in range(3):
        model(signals.noise((4, 1, 8_192), seed=2), conditions(4))  # moves the running statistics
    model.eval()
    for _ in range(2):
        unfolded = view(model(x, conditions())).detach()
        assert decibels(run(model, x) - unfolded, unfolded) < -100
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(1.1)
    other = build(name)
    other.load_state_dict(model.state_dict())
    assert torch.equal(run(other, x), run(model, x))


@pytest.mark.parametrize("name", NAMES)
def test_a_chunk_equals_its_part_of_the_output(name):
    model = build(name)
    x = signals.band_limited(48_000, 7_500, 80 * 1_024 / 48_000)[None]
    cut = 24 * 1_024
    complete, part = run(model, x), run(model, x[..., cut:], conditions(start=cut))
    hop = 1 if complete.shape[-1] == x.shape[-1] else 256
    inside = slice(model.receptive_field // hop + 1, -model.receptive_field // hop - 1)
    assert part[..., inside].numel()
    error = complete[..., cut // hop :][..., inside] - part[..., inside]
    assert decibels(error, complete) < -100


@pytest.mark.parametrize(("shifts", "same"), [(1, False), (2, True)])
def test_with_shifts_it_does_not_matter_on_which_frames_a_sound_falls(x, shifts, same):
    model = build("spectral-unet", without=["noise"], shifts=shifts)
    early, late = run(model, x), run(model, torch.nn.functional.pad(x, (256, 0)))[..., 1:]
    receptive_field = model.receptive_field // 256 + 1
    error = (late - early)[..., receptive_field:-receptive_field]
    assert error.numel()
    assert (error.abs().max() < 1e-4) == same


@pytest.mark.parametrize("name", NAMES)
def test_noise_depends_on_the_seed_and_the_position(name, x):
    model = build(name)
    same, other_seed, other_place = (
        run(model, x, condition)
        for condition in (conditions(), replace(conditions(), seed=4), conditions(start=model.length_multiple))
    )
    assert torch.equal(same, run(model, x))
    assert not torch.equal(same, other_seed)
    assert not torch.equal(same, other_place)


@pytest.mark.parametrize("name", NAMES)
def test_the_cutoff_changes_the_output(name, x):
    model = build(name)
    with torch.no_grad():
        for module in model.modules():
            if hasattr(module, "style"):
                module.style.weight.fill_(0.1)  # untrained, AdaIN does nothing
    low, high = (run(model, x, conditions(cutoff=c)) for c in (6_000.0, 12_000.0))
    assert float((low - high).abs().max()) > 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_a_quiet_passage_is_restored_as_a_loud_one(name, x):
    model = build(name)
    loud, quiet = run(model, x), run(model, x / 100)
    if name == "spectral-unet":
        loud, quiet = (estimate[..., 180:, :].exp() for estimate in (loud, quiet))  # above the cut-off
    assert decibels(100 * quiet - loud, loud) < -50


@pytest.mark.parametrize("name", NAMES)
def test_chunks_in_one_call_are_alike(name, x):
    model = build(name)
    together = run(model, x.repeat(3, 1, 1))
    assert all(decibels(together[i : i + 1] - run(model, x), together[:1]) < -120 for i in range(3))


def test_the_spectral_net_keeps_what_is_below_the_cutoff(spec, x):
    spectrum = stft(x[:, 0], StftConfig(1_024, 256))
    below = slice(0, int(8_000 / 48_000 * 1_024))
    own = run(spec, x)[0, 0, below].exp()
    assert decibels(own - spectrum[0, below].abs(), own) < -100


def test_the_waveform_net_has_energy_above_the_cutoff_where_the_baseline_has_none(wave, x):
    high = torch.fft.rfftfreq(x.shape[-1], 1 / 48_000) > 8_500
    baseline, estimate = (
        torch.fft.rfft(y * torch.hann_window(x.shape[-1]))[0, 0, high].abs() for y in (x, run(wave, x))
    )
    assert decibels(estimate, baseline) > 40


@pytest.mark.parametrize("name", NAMES)
def test_bfloat16_is_close(name, x):
    exact, rounded = (run(build(name, precision=p), x) for p in ("float32", "bfloat16"))
    if name == "spectral-unet":
        exact, rounded = exact.exp(), rounded.exp()
    assert -100 < decibels(rounded - exact, exact) < -40


def test_auto_takes_bfloat16_only_where_it_is_fast_and_close(monkeypatch, wave):
    from upscaler_core.models import precision

    for fast, difference, expected in (
        (True, -61, torch.bfloat16),
        (True, -59, torch.float32),
        (False, -90, torch.float32),
    ):
        monkeypatch.setattr(precision, "fast_at_bfloat16", lambda fast=fast: fast)
        monkeypatch.setattr(precision, "_difference_db", lambda model, difference=difference: difference)
        assert precision.choose_dtype(wave, "auto") == expected


def test_in_training_the_trainer_chooses_the_precision(x):
    model = build("waveform-unet", precision="bfloat16").train()
    with computing(model):
        assert not torch.is_autocast_enabled("cpu")
    estimate = model(x, conditions())
    assert isinstance(estimate, Estimate)
    assert estimate.waveform.requires_grad


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_learns(name, x):
    model = build(name).train()
    torch.autograd.backward(view(model(x, conditions())).square().mean())
    silent = [
        key for key, weight in model.named_parameters() if weight.grad is None or not weight.grad.isfinite().all()
    ]
    assert silent == []


@pytest.mark.parametrize("part", ["gate", "noise", "style", "skips"])
@pytest.mark.parametrize("name", NAMES)
def test_a_part_can_be_left_out(name, part):
    complete, reduced = build(name), build(name, without=(part,))
    absent = {"gate": ".gate.", "noise": ".noise_gain", "style": ".style.", "skips": "no weights"}[part]
    assert set(reduced.state_dict()) == {key for key in complete.state_dict() if absent not in key}
    for model in (complete, reduced):
        for parameter in model.parameters():  # untrained styles are zero, so that leaving them out would change nothing
            parameter.data += signals.noise(tuple(parameter.shape), seed=parameter.numel())
    x = signals.band_limited(48_000, 7_600)[None, :, :8192]
    assert decibels(run(reduced, x) - run(complete, x), run(complete, x)) > -70
