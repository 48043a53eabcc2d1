"""The finisher against the definition, and from a pipeline file."""

from pathlib import Path

import torch
from upscaler_core import Pipeline, discover
from upscaler_core.testing import Upscaler

ROOT = Path(__file__).parent.parent


def test_minus_20_db_is_a_tenth(signal: torch.Tensor) -> None:
    """`signal` is silence, an impulse, a tone, noise and speech in turn."""
    up = discover()
    gain = up.finisher("example", gain_db=-20)
    pipeline = Pipeline(up.resampler("linear"), 48_000, finish=[gain])
    assert torch.allclose(pipeline(signal, 48_000), 0.1 * signal)


def test_a_file_goes_through(project: Upscaler) -> None:
    """As a user runs it."""
    done = project("run", ROOT / "pipeline.yaml", "speech.flac", "-o", "out.wav")
    assert done.returncode == 0, done.stderr
