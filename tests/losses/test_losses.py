"""Losses: values known beforehand, the white paper's formulas written out, gradients by finite differences."""

import math

import numpy as np
import pytest
import soundfile as sf
import torch
from torch.nn.functional import softplus

from upscaler_core import UsageError, discover
from upscaler_core.plugins import Adversary
from upscaler_core.testing.signals import band_limited, noise

REGISTRY = discover()
PLAIN = ("multi-resolution-stft", "l1", "log-spectral-distance", "stereo")
SMALL = {"fft_sizes": [128, 256], "channels": 4}


def build(name, **options):
    return REGISTRY.loss(name, **options)


@pytest.fixture(scope="module")
def music(audio):
    """`[1, 2, 1 s]` at 44.1 kHz."""
    x, rate = sf.read(audio / "arovane_beat_d_cc0_lossless.flac", dtype="float32", always_2d=True)
    return torch.from_numpy(x.T[None, :, 2 * rate : 3 * rate].copy())


def naive_stft(x, n_fft):
    """`[time]` -> `[bin, frame]`, frame by frame: centred, zeros beyond the ends, periodic Hann, hop a quarter."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    padded = np.pad(x, n_fft // 2)
    starts = range(0, len(x) + 1, n_fft // 4)
    return np.stack([np.fft.rfft(window * padded[s : s + n_fft]) for s in starts], 1)


# ------------------------------------------------------------------------------------------------ known values


def test_a_gain_of_two_is_ln_2_a_resolution(music):
    x = noise((2, 1, 20_000))
    log_only = build("multi-resolution-stft", linear_weight=0)
    assert float(log_only(2 * x, x)) == pytest.approx(3 * math.log(2), rel=1e-4)
    assert float(build("multi-resolution-stft", linear_weight=0, log_weight=0.5)(2 * x, x)) == pytest.approx(
        1.5 * math.log(2), rel=1e-4
    )
    linear = build("multi-resolution-stft", log_weight=0, fft_sizes=[1024])
    assert float(linear(3 * x, x)) == pytest.approx(2 * float(linear(2 * x, x)), rel=1e-5)


def test_a_gain_of_ten_is_a_log_spectral_distance_of_2():
    x = noise((2, 2, 20_000))
    assert float(build("log-spectral-distance")(10 * x, x)) == pytest.approx(2, abs=1e-4)


def test_a_metric_as_a_loss_is_its_distance_from_the_best(music):
    y = 0.5 * music + 0.01 * noise(music.shape)
    ssim = float(REGISTRY.metric("ssim")(y, music, 44_100))
    assert float(build("metric", metric="ssim", rate=44_100)(y, music)) == pytest.approx(1 - ssim, rel=1e-5)
    moved = y.clone().requires_grad_()
    build("metric", metric="ssim")(moved, music).backward()
    better = y - 1e-4 * moved.grad / moved.grad.abs().max()
    assert REGISTRY.metric("ssim")(better, music, 48_000) > ssim


def test_a_metric_without_a_gradient_is_refused(music):
    loss = build("metric", metric="ssim")
    loss.metric = lambda estimate, target, rate: estimate.detach().sum((1, 2))
    with pytest.raises(UsageError, match="'ssim' has no gradient"):
        loss(music.clone().requires_grad_(), music)


def test_silence_counts_from_the_floor_on():
    x = torch.zeros(1, 1, 8_192)
    x[0, 0, ::4] = 1  # every fourth bin full, the others empty
    gain = build("multi-resolution-stft", linear_weight=0, fft_sizes=[512], floor=1.0)
    assert float(gain(x / 1e6, torch.zeros_like(x))) == 0
    power = float(build("log-spectral-distance")(torch.zeros_like(x), torch.zeros_like(x)))
    assert power == 0


def test_stereo_hears_the_side_in_logarithms():
    mid, side = noise((1, 1, 20_000), seed=1), noise((1, 1, 20_000), seed=2)
    target, wider = (torch.cat((mid + g * side, mid - g * side), 1) for g in (0.01, 0.02))
    options = {"linear_weight": 0}
    one, other = (build(name, **options)(wider, target) for name in ("stereo", "multi-resolution-stft"))
    assert float(one) == pytest.approx(3 * math.log(2) / 2, rel=1e-3)  # the mid's half is 0
    assert float(other) < float(one) / 10


def test_stereo_of_anything_but_two_channels_is_the_plain_loss(music):
    for x in (music[:, :1], music.expand(1, 2, -1)[:, [0, 1, 0]]):
        y = x + noise(tuple(x.shape))
        for name in ("multi-resolution-stft", "l1"):
            assert torch.equal(build("stereo", of=name)(y, x), build(name)(y, x))
    twice = music[:, :1].expand(-1, 2, -1)
    assert float(build("stereo", of="l1")(twice, 0 * twice)) == pytest.approx(float(twice.abs().mean()) / 2)


# ------------------------------------------------------------------------------------------------- naive twins


def test_the_papers_sum_written_out(music):
    y, x = music, music + noise(tuple(music.shape), amplitude=0.01)
    total = 0.0
    for n_fft in (512, 1024, 2048):
        ours, theirs = (np.stack([abs(naive_stft(c, n_fft)) for c in s[0].double().numpy()]) for s in (x, y))
        total += abs(theirs - ours).mean()
        total += abs(np.log(np.maximum(theirs, 1e-4)) - np.log(np.maximum(ours, 1e-4))).mean()
    assert float(build("multi-resolution-stft")(x, y)) == pytest.approx(total, rel=1e-4)
    assert float(build("l1")(x, y)) == pytest.approx(float((x - y).abs().mean()))


def test_the_log_spectral_distance_written_out(music):
    y, x = music, music + noise(tuple(music.shape), amplitude=0.01)
    ours, theirs = (
        np.stack([np.log10(np.maximum(abs(naive_stft(c, 2048)) ** 2, 1e-8)) for c in s[0].double().numpy()])
        for s in (x, y)
    )
    expected = np.sqrt(((ours - theirs) ** 2).mean(-2)).mean()
    assert float(build("log-spectral-distance")(x, y)) == pytest.approx(expected, rel=1e-4)


def test_a_missing_top_band_costs_and_its_return_pays(music):
    target = band_limited(48_000, 20_000, 0.5)[None]
    dull = band_limited(48_000, 8_000, 0.5)[None]
    half = (target + dull) / 2
    for name in PLAIN:
        loss = build(name)
        assert 0 < float(loss(half, target)) < float(loss(dull, target)), name


# --------------------------------------------------------------------------------------------------- gradients


@pytest.mark.parametrize("name", PLAIN)
def test_gradients_are_the_finite_differences(name):
    options = {"fft_sizes": [64, 128]} if name in ("multi-resolution-stft", "stereo") else {}
    x, y = (noise((1, 2, 300), seed=seed).double() for seed in (1, 2))
    assert torch.autograd.gradcheck(
        build(name, **options), (x.requires_grad_(), y), eps=1e-7, atol=1e-6, fast_mode=True
    )


@pytest.mark.parametrize("form", ["log", "least-squares", "hinge"])
def test_the_adversarial_gradient_is_the_finite_difference(form):
    """Along one direction, in steps of 1e-7: logarithms bend, and rectifiers have corners, so that longer ones miss."""
    loss = build("adversarial", fft_sizes=[64], channels=2, form=form).double()
    x, y, way = (noise((1, 2, 200), seed=seed).double() for seed in (1, 2, 3))
    (gradient,) = torch.autograd.grad(loss(x.requires_grad_(), y), x)
    with torch.no_grad():
        difference = (loss(x + 1e-7 * way, y) - loss(x - 1e-7 * way, y)) / 2e-7
    assert float((gradient * way).sum()) == pytest.approx(float(difference), rel=1e-4)


@pytest.mark.parametrize("name", [*PLAIN, "adversarial"])
def test_gradients_are_finite_at_equality_and_in_silence(name, music):
    loss = build(name, **SMALL) if name == "adversarial" else build(name)
    for target in (music, torch.zeros_like(music)):
        estimate = target.clone().requires_grad_()
        loss(estimate, target).backward()
        assert bool(estimate.grad.isfinite().all())
        if name != "adversarial":
            assert not estimate.grad.any()


@pytest.mark.parametrize("name", [*PLAIN, "adversarial"])
def test_autocast_and_bfloat16_leave_the_spectra_in_float32(name, music):
    loss = build(name, **SMALL) if name == "adversarial" else build(name)
    estimate = (music + noise(tuple(music.shape))).bfloat16()
    expected = float(loss(estimate.float(), music))
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(estimate, music)
    assert value.dtype == torch.float32
    assert float(value) == pytest.approx(expected, rel=1e-5 if name != "adversarial" else 0.02)


# --------------------------------------------------------------------------------------------------- adversary


def test_the_papers_game_written_out(music):
    loss = build("adversarial", feature_matching=0, **SMALL)
    estimate, target = music[..., :8_000], music[..., 8_000:16_000]
    with torch.no_grad():
        judged, real = ([torch.sigmoid(j.logits.double()) for j in loss.discriminator(x)] for x in (estimate, target))
        models, critic = loss(estimate, target), loss.critic(estimate, target)
    assert float(models) == pytest.approx(-np.mean([float(d.log().mean()) for d in judged]), rel=1e-5)
    both = [float(d.log().mean() + (1 - e).log().mean()) for d, e in zip(real, judged, strict=True)]
    assert float(critic) == pytest.approx(-np.mean(both), rel=1e-5)


@pytest.mark.parametrize(
    ("form", "models", "critic"),
    [
        ("log", lambda e: softplus(-e), lambda e, r: softplus(-r) + softplus(e)),
        ("least-squares", lambda e: (e - 1) ** 2, lambda e, r: (r - 1) ** 2 + e**2),
        ("hinge", lambda e: -e, lambda e, r: (1 - r).clamp(min=0) + (1 + e).clamp(min=0)),
    ],
)
def test_forms_of_the_game_on_known_logits(form, models, critic, music):
    """A discriminator whose last layer has no weights says its bias, whatever it hears."""
    loss = build("adversarial", form=form, feature_matching=0, **SMALL)
    said = torch.tensor(-0.7)
    with torch.no_grad():
        for net in loss.discriminator.nets:
            net.outer.parametrizations.weight.original0.zero_()
            net.outer.bias.fill_(said)
        assert float(loss(music, music)) == pytest.approx(float(models(said)))
        assert float(loss.critic(music, music)) == pytest.approx(float(critic(said, said)))


def test_feature_matching_is_0_for_equals_and_weighs_by_its_option(music):
    values = [
        [float(build("adversarial", feature_matching=weight, **SMALL)(x, music)) for weight in (0, 1, 3)]
        for x in (music, music / 2)
    ]
    assert values[0] == pytest.approx([values[0][0]] * 3)
    plain, once, thrice = values[1]
    assert thrice - plain == pytest.approx(3 * (once - plain), rel=1e-4)
    assert once > plain + 1e-3


def test_the_critic_learns_to_tell_a_dull_band_from_a_full_one():
    loss = build("adversarial", **SMALL)
    full, dull = (band_limited(48_000, cutoff, 0.25)[None] for cutoff in (20_000, 8_000))
    optimizer = torch.optim.Adam(loss.parameters(), 1e-3)
    for _ in range(40):
        optimizer.zero_grad()
        loss.critic(dull, full).backward()
        optimizer.step()
    with torch.no_grad():
        assert float(loss.critic(dull, full)) < 1.0 < 2 * math.log(2)
        assert float(loss(full, full)) < float(loss(dull, full))


def test_the_models_step_leaves_the_critic_alone_and_the_other_way_round(music):
    loss = build("adversarial", **SMALL)
    assert isinstance(loss, Adversary)
    estimate = (music / 2).requires_grad_()
    loss(estimate, music).backward()
    assert estimate.grad.any() and all(p.grad is None for p in loss.parameters())
    estimate.grad = None
    loss.critic(estimate, music).backward()
    assert estimate.grad is None and all(p.grad is not None for p in loss.parameters())


def test_the_first_weights_are_always_the_same():
    one, other = (build("adversarial", **SMALL).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)
