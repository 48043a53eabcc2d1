"""The loss of mid and side."""

import math

import pytest
import torch

from upscaler_core import discover
from upscaler_core.testing.signals import noise

build = discover().loss


def test_stereo_weighs_the_side_like_the_mid():
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
