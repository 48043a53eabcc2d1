"""The fusion against the definition, and from a pipeline file."""

import json
from pathlib import Path

import pytest
import torch
from upscaler_core import Estimate, Pipeline, StftConfig, UsageError, discover
from upscaler_core.plugins import EnhancementModel
from upscaler_core.testing import Upscaler

ROOT = Path(__file__).parent.parent


def test_twice_the_same_model_is_that_model(tiny_model: EnhancementModel, speech: torch.Tensor) -> None:
    """`tiny_model` is small and trained, `speech` real."""
    up = discover()
    mean = up.fusion("example")
    alone = Pipeline(up.resampler("linear"), 48_000, {"a": tiny_model}, cutoff_hz=4_000)
    joined = Pipeline(up.resampler("linear"), 48_000, {"a": tiny_model, "b": tiny_model}, mean, cutoff_hz=4_000)
    narrow = up.resampler("poly-sinc-hq")(speech, 48_000, 8_000)
    assert torch.allclose(joined(narrow, 8_000), alone(narrow, 8_000), atol=1e-6)


def test_a_model_without_a_waveform_is_refused() -> None:
    """In a sentence."""
    magnitude = Estimate(log_magnitude=torch.zeros(1, 1, 513, 5), grid=StftConfig())
    with pytest.raises(UsageError, match="needs a waveform"):
        discover().fusion("example")({"a": magnitude}, torch.zeros(1, 1, 1_024), None)  # type: ignore[arg-type]


def test_a_file_goes_through(project: Upscaler) -> None:
    """As a user runs it; the recording is taken to end at 8 kHz, so that there is something to add."""
    done = project("run", ROOT / "pipeline.yaml", "speech.flac", "-o", "out.wav", "--set", "cutoff_hz=8000", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"][0]["added"] is True
