"""`noise-floor`: level and spectrum of the noises."""

import pytest
import torch

from upscaler_core import discover

RATE = 48_000
build = discover().degradation


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", ["white", "pink", "hiss", "hum"])
def test_the_noise_has_the_drawn_level(kind, speech):
    out = build("noise-floor", kinds=[kind])(speech, RATE, seeded())
    assert -90 <= out.parameters["level_db"] <= -50
    added = (out.audio - speech).double()
    assert float(10 * torch.log10(added.square().mean())) == pytest.approx(out.parameters["level_db"], abs=0.1)


@pytest.mark.parametrize(("kind", "octave_db"), [("white", 3.01), ("pink", 0.0), ("hiss", 7.5)])
def test_the_noise_has_its_colour(kind, octave_db):
    out = build("noise-floor", kinds=[kind])(torch.zeros(1, 4 * RATE), RATE, seeded()).audio
    power = torch.fft.rfft(out[0]).abs().square()
    f = torch.fft.rfftfreq(4 * RATE, 1 / RATE)
    lower, upper = (power[(f >= low) & (f < 2 * low)].sum() for low in (2_000, 4_000))
    assert float(10 * torch.log10(upper / lower)) == pytest.approx(octave_db, abs=0.5)


def test_hum_is_lines_at_the_mains_frequency():
    out = build("noise-floor", kinds=["hum"])(torch.zeros(2, RATE), RATE, seeded()).audio
    power = torch.fft.rfft(out[0].double()).abs().square()
    lines = max(power[mains::mains].sum() / power.sum() for mains in (50, 60))
    assert float(lines) > 0.9999
    assert torch.equal(out[0], out[1])
