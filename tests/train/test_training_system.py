"""The system that is trained: it makes of an excerpt what a pipeline makes of a file."""

from __future__ import annotations

import pytest
import torch

from upscaler_core import Pipeline, discover
from upscaler_core.dsp import highpass, lowpass
from upscaler_core.dsp.filters import highpass_plan
from upscaler_core.dsp.streaming import run
from upscaler_core.pipeline import EnhancementStep
from upscaler_core.testing.fakes import Mirror, MirrorOptions
from upscaler_train.scoring import enhance
from upscaler_train.training_system import System

RATE = 48_000


def db(x):
    """The RMS level."""
    return 20 * torch.log10(x.double().square().mean().sqrt() + 1e-12)


def test_bands_are_cut_as_pipelines_cut_them():
    n = torch.arange(48_000, dtype=torch.float64) / RATE
    tones = torch.stack([torch.sin(2 * torch.pi * f * n) for f in (7_800, 8_200, 12_000)])[:, None].float()
    cut = lowpass(tones, torch.tensor([8_000.0, 8_000.0, 24_000.0]), RATE)
    middle = slice(2_000, -2_000)
    assert db((cut - tones)[0, 0, middle]) < -90
    assert db(cut[1, 0, middle]) < -90
    assert torch.equal(cut[2], tones[2])
    noise = torch.randn(1, 1, 30_000, generator=torch.Generator().manual_seed(0))
    streamed = torch.cat(list(run(highpass_plan(RATE, 5_000.0), [noise[0]])), -1)
    assert db(highpass(noise, torch.tensor([5_000.0]), RATE)[0] - streamed) < -110


@pytest.mark.parametrize("stereo", ["independent", "mid-side"])
def test_training_computes_what_a_pipeline_computes(recordings, stereo):
    model = Mirror(MirrorOptions(level=0.3))
    x = recordings[1].read(48_000, 96_000)
    pipeline = Pipeline(discover().resampler("poly-sinc-hq"), RATE, {"m": model}, stereo=stereo, cutoff_hz=7_000.0)
    system = System(EnhancementStep({"m": model}, stereo=stereo))
    output = enhance(system, x[None], 7_000.0, torch.device("cpu"))[0]
    expected = pipeline(x, RATE)
    assert db(output - x) > -60
    assert db((output - expected)[:, 2_000:-2_000]) < db(output - x) - 60
