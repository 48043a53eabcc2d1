"""SI-SDR and level change of signals with known values."""

import math

import pytest

from upscaler_core.testing import signals

RATE = 48_000


def test_si_sdr_is_the_ratio_to_what_is_not_the_target_and_forgets_the_gain(score):
    x, error = (signals.tone(f, RATE, RATE)[None] for f in (1_000, 2_000))  # orthogonal
    for gain in (1, -3):
        assert score("si-sdr", gain * (x + 0.01 * error), x) == pytest.approx(40, abs=0.01)


@pytest.mark.parametrize("gain", [2, 0.5])
def test_level_change(score, music, gain):
    assert score("level-change", gain * music, music, 44_100) == pytest.approx(20 * math.log10(2), abs=1e-3)
