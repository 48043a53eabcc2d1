"""`band-limit`: cut-off, phase and range of the random filters."""

from statistics import median

import pytest
import torch

from upscaler_core import discover
from upscaler_core.testing.signals import decibels, tone

RATE = 48_000
build = discover().degradation


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


KINDS = ("brickwall", "windowed-sinc", "butterworth", "chebyshev-1", "chebyshev-2", "elliptic", "bessel")


@pytest.mark.parametrize("rate", [RATE, 44_100, 96_000])
@pytest.mark.parametrize("kind", KINDS[1:])
def test_the_cutoff_is_the_6_db_point(kind, rate):
    out = build("band-limit", kinds=[kind], min_hz=8_000, max_hz=8_000)(tone(8_000, rate, rate)[None], rate, seeded())
    middle = slice(rate // 4, 3 * rate // 4)
    assert out.bandwidth_hz == pytest.approx(8_000)
    assert decibels(out.audio[:, middle], tone(8_000, rate, rate)[None, middle]) == pytest.approx(-6.02, abs=0.02)


def test_the_brickwall_is_one():
    limit = build("band-limit", kinds=["brickwall"], min_hz=8_000, max_hz=8_000)
    for frequency, expected in ((7_950, (-0.01, 0.01)), (8_050, (-400, -45))):
        x = tone(frequency, RATE, RATE)[None]
        out = limit(x, RATE, seeded()).audio
        assert expected[0] < decibels(out[:, 12_000:36_000], x[:, 12_000:36_000]) < expected[1]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_zero_phase(kind):
    x = torch.zeros(1, 4_801)
    x[0, 2_400] = 1
    out = build("band-limit", kinds=[kind])(x, RATE, seeded(3)).audio[0]
    assert int(out.argmax()) == 2_400
    assert decibels(out - out.flip(0), out) < -100


def test_a_cutoff_beyond_nyquist_leaves_the_audio(speech):
    out = build("band-limit", min_hz=24_000, max_hz=30_000)(speech, RATE, seeded())
    assert torch.equal(out.audio, speech)
    assert out.bandwidth_hz is None


def test_the_draws_cover_the_range():
    drawn = [build("band-limit").draw(seeded(seed)) for seed in range(300)]
    assert {r.kind for r in drawn} == set(KINDS)
    assert all(2_000 <= r.cutoff_hz <= 16_000 and 2 <= r.order <= 12 for r in drawn)
    assert median(r.cutoff_hz for r in drawn) == pytest.approx(5_657, rel=0.15)  # the geometric mean of the ends
    assert {r.order for r in drawn if r.kind == "elliptic"} == {2, 4, 8}


def test_the_end_does_not_wrap_around_to_the_beginning():
    x = torch.zeros(1, RATE)
    x[0, -1] = 1
    out = build("band-limit", kinds=["butterworth"])(x, RATE, seeded()).audio
    assert float(out[0, : RATE // 2].abs().max()) < 1e-6
