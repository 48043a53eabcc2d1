"""`quantization`: the level of its error, with and without dither."""

import pytest
import torch

from upscaler_core import discover
from upscaler_core.testing.signals import decibels, tone

RATE = 48_000
build = discover().degradation


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize(("chance", "dither_db"), [(0, 0), (1, 4.77)])
def test_quantization_keeps_the_textbooks_distance(bits, chance, dither_db):
    x = tone(997, RATE, RATE, amplitude=1 - 2 / 2**bits, dtype=torch.float64)[None]
    out = build("quantization", min_bits=bits, max_bits=bits, dither_chance=chance)(x, RATE, seeded())
    assert out.parameters == {"bits": bits, "dither": "tpdf" if chance else "none"}
    assert -decibels(out.audio - x, x) == pytest.approx(6.02 * bits + 1.76 - dither_db, abs=0.3)
    assert len(out.audio.unique()) <= 2**bits


def test_dither_unties_the_error_from_the_signal():
    x = tone(100, RATE, RATE, amplitude=0.002)[None]  # half a step of 8 bits: rounding alone leaves nothing
    rounded, dithered = (
        build("quantization", max_bits=8, dither_chance=chance)(x, RATE, seeded()).audio for chance in (0, 1)
    )
    assert not rounded.any()
    assert float((dithered * x).sum() / x.square().sum()) == pytest.approx(1, abs=0.1)
