"""The adversarial loss and its discriminator."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import softplus

from upscaler_core import discover
from upscaler_core.plugins import Adversary
from upscaler_core.testing.signals import band_limited, noise

SMALL = {"fft_sizes": [128, 256], "channels": 4}

build = discover().loss


@pytest.mark.parametrize("form", ["log", "least-squares", "hinge"])
def test_the_adversarial_gradient_is_the_finite_difference(form):
    """The steps along one direction must be as short as 1e-7, since logarithms bend and rectifiers have corners."""
    loss = build("adversarial", fft_sizes=[64], channels=2, form=form).double()
    x, y, way = (noise((1, 2, 200), seed=seed).double() for seed in (1, 2, 3))
    (gradient,) = torch.autograd.grad(loss(x.requires_grad_(), y), x)
    with torch.no_grad():
        difference = (loss(x + 1e-7 * way, y) - loss(x - 1e-7 * way, y)) / 2e-7
    assert float((gradient * way).sum()) == pytest.approx(float(difference), rel=1e-4)


def test_the_papers_game_written_out(music):
    loss = build("adversarial", feature_matching=0, **SMALL)
    estimate, target = music[..., :8_000], music[..., 8_000:16_000]
    with torch.no_grad():
        fake, real = ([torch.sigmoid(j.logits.double()) for j in loss.discriminator(x)] for x in (estimate, target))
        models, critic = loss(estimate, target), loss.critic(estimate, target)
    assert float(models) == pytest.approx(-np.mean([float(d.log().mean()) for d in fake]), rel=1e-5)
    both = [float(d.log().mean() + (1 - e).log().mean()) for d, e in zip(real, fake, strict=True)]
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
    """A discriminator whose last layer has no weights always returns its bias."""
    loss = build("adversarial", form=form, feature_matching=0, **SMALL)
    bias = torch.tensor(-0.7)
    with torch.no_grad():
        for net in loss.discriminator.nets:
            net.outer.parametrizations.weight.original0.zero_()
            net.outer.bias.fill_(bias)
        assert float(loss(music, music)) == pytest.approx(float(models(bias)))
        assert float(loss.critic(music, music)) == pytest.approx(float(critic(bias, bias)))


def test_feature_matching_is_0_for_equals_and_weighs_by_its_option(music):
    values = [
        [float(build("adversarial", feature_matching=weight, **SMALL)(x, music)) for weight in (0, 1, 3)]
        for x in (music, music / 2)
    ]
    assert values[0] == pytest.approx([values[0][0]] * 3)
    plain, once, thrice = values[1]
    assert thrice - plain == pytest.approx(3 * (once - plain), rel=1e-4)
    assert once > plain + 1e-3


@pytest.mark.slow
def test_the_critic_learns_to_distinguish_a_dull_band_from_a_full_one():
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
