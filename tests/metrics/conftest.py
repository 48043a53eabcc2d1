"""Real audio, and a short way to compute a metric."""

import pytest
import soundfile
import torch

from upscaler_core import discover


@pytest.fixture(scope="module")
def music(audio):
    """`[2, 2 s]` at 44.1 kHz."""
    samples, rate = soundfile.read(audio / "vibe_ace_30s_streamcopy.ogg", frames=88_200, dtype="float32")
    assert rate == 44_100
    return torch.from_numpy(samples.T.copy())


@pytest.fixture(scope="module")
def score():
    """A metric of two `[channel, time]`."""

    def compute(name, estimate, target, rate=48_000, **options):
        (value,) = discover().metric(name, **options)(estimate[None], target[None], rate)
        return float(value)

    return compute
