"""The resampler against the definition, and from a pipeline file."""

from pathlib import Path

import torch
from upscaler_core import discover
from upscaler_core.testing import Upscaler

ROOT = Path(__file__).parent.parent


def test_at_twice_the_rate_every_second_sample_is_the_source(signal: torch.Tensor) -> None:
    """`signal` is silence, an impulse, a tone, noise and speech in turn."""
    up = discover().resampler("example", window=1_000)
    assert torch.equal(up(signal, 48_000, 96_000)[:, ::2], signal)


def test_a_file_goes_through(project: Upscaler) -> None:
    """As a user runs it."""
    done = project("run", ROOT / "pipeline.yaml", "speech.flac", "-o", "out.wav")
    assert done.returncode == 0, done.stderr
