"""`level`: gain and clipping."""

import pytest
import torch

from upscaler_core import discover
from upscaler_core.testing.signals import decibels

RATE = 48_000
build = discover().degradation


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_level_is_a_gain_and_clips_on_request(speech):
    out = build("level", min_db=20, max_db=20)(speech, RATE, seeded()).audio
    assert decibels(out, speech) == pytest.approx(20, abs=1e-3)
    assert float(out.abs().max()) > 1
    assert torch.equal(build("level", min_db=20, max_db=20, clip=True)(speech, RATE, seeded()).audio, out.clamp(-1, 1))
