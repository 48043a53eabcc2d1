"""The detector on a signal whose content ends at a known place, and from a pipeline file."""

from pathlib import Path

import pytest
import torch
from upscaler_core import discover
from upscaler_core.testing import Upscaler

ROOT = Path(__file__).parent.parent


def test_it_finds_where_noise_ends() -> None:
    """A brick wall at 6 kHz."""
    spectrum = torch.fft.rfft(torch.randn(2, 96_000, generator=torch.Generator().manual_seed(0)))
    spectrum[:, 12_000:] = 0
    survey = discover().detector("example").survey(48_000)
    for block in torch.fft.irfft(spectrum).split(10_000, -1):
        survey.add(block)
    (segment,) = survey.finish().segments
    assert segment.bandwidth.cutoff_hz == pytest.approx(6_000, rel=0.03)


def test_it_serves_inspect_and_pipelines(project: Upscaler) -> None:
    """As a user runs it."""
    seen = project("inspect", "speech.flac", "--detector", "example")
    assert seen.returncode == 0, seen.stderr
    done = project("run", ROOT / "pipeline.yaml", "speech.flac", "-o", "out.wav")
    assert done.returncode == 0, done.stderr
