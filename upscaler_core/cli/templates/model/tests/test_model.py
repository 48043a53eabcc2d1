"""The model against the definition, and from a pipeline file."""

import json
from pathlib import Path

import torch
from upscaler_core import Conditions, discover
from upscaler_core.testing import Upscaler, signals

ROOT = Path(__file__).parent.parent


def test_a_tone_is_mirrored_about_a_quarter_of_the_rate() -> None:
    """1 kHz at 48 kHz gives 23 kHz, at the level asked for."""
    low, high = (signals.tone(hz, 48_000, 48_000)[None, None] for hz in (1_000, -23_000))
    conditions = Conditions(torch.tensor([8_000.0]), torch.zeros(1, dtype=torch.int64), 48_000)
    added = discover().model("example", level_db=-20)(low, conditions).waveform
    assert added is not None
    assert torch.allclose(added - low, 0.1 * high, atol=1e-6)


def test_a_file_goes_through(project: Upscaler) -> None:
    """As a user runs it; the recording is taken to end at 8 kHz, so that there is something to add."""
    done = project("run", ROOT / "pipeline.yaml", "speech.flac", "-o", "out.wav", "--set", "cutoff_hz=8000", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"][0]["added"] is True
