"""`remix`: each change of the stereo image."""

import pytest
import torch

from upscaler_core import discover
from upscaler_core.testing.signals import decibels

RATE = 48_000
build = discover().degradation


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_remix_changes_stereo_and_leaves_mono_alone(beat, speech):
    def remixed(x, *changes, **options):
        return build("remix", changes=changes, **options)(x, 44_100, seeded()).audio

    mid, side = beat.mean(0), (beat[0] - beat[1]) / 2
    assert torch.equal(remixed(beat, "swap"), beat[[1, 0]])
    assert torch.equal(remixed(beat, "polarity"), -beat)
    assert torch.equal(remixed(beat, "mono"), torch.stack((mid, mid)))
    wide = remixed(beat, "width", min_side_db=3, max_side_db=3)
    assert decibels((wide[0] - wide[1]) / 2, side) == pytest.approx(3, abs=1e-3)
    assert decibels(wide.mean(0) - mid, mid) < -120
    assert torch.equal(remixed(speech, "polarity", "mono"), speech)
