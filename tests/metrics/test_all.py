"""What holds for every metric."""

import math

import pytest
import torch

from upscaler_core import UsageError, discover
from upscaler_core.testing import signals

UP = discover()
RATE = 48_000


def test_a_few_samples_and_silence_have_scores_or_none(score):
    for x in (signals.noise((2, 10)), torch.zeros(2, RATE)):
        for entry in UP.of("metric"):
            if entry.component.extra is None and entry.component.name != "ssim":
                assert math.isfinite(score(entry.component.name, x, x))
    assert math.isnan(score("ssim", signals.noise((1, 2_000)), signals.noise((1, 2_000))))


def test_a_wrong_option_is_an_error():
    with pytest.raises(UsageError, match="definition: must be 'house', 'paper' or 'ssr_eval'"):
        UP.metric("lsd", definition="mine")
