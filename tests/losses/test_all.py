"""What holds for every loss."""

import pytest
import torch

from upscaler_core import discover
from upscaler_core.testing.signals import band_limited, noise

PLAIN = ("multi-resolution-stft", "l1", "log-spectral-distance", "stereo")
SMALL = {"fft_sizes": [128, 256], "channels": 4}

build = discover().loss


def test_a_missing_top_band_costs_and_its_return_pays(music):
    target = band_limited(48_000, 20_000, 0.5)[None]
    dull = band_limited(48_000, 8_000, 0.5)[None]
    half = (target + dull) / 2
    for name in PLAIN:
        loss = build(name)
        assert 0 < float(loss(half, target)) < float(loss(dull, target)), name


@pytest.mark.parametrize("name", PLAIN)
def test_gradients_are_the_finite_differences(name):
    options = {"fft_sizes": [64, 128]} if name in ("multi-resolution-stft", "stereo") else {}
    x, y = (noise((1, 2, 300), seed=seed).double() for seed in (1, 2))
    assert torch.autograd.gradcheck(
        build(name, **options), (x.requires_grad_(), y), eps=1e-7, atol=1e-6, fast_mode=True
    )


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
