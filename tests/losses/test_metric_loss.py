"""Metrics as losses."""

import pytest

from upscaler_core import UsageError, discover
from upscaler_core.testing.signals import noise

REGISTRY = discover()
build = REGISTRY.loss


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
