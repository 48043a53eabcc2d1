"""The degradation against the definition, and from a recipe."""

from pathlib import Path

import torch
from upscaler_core import discover
from upscaler_core.testing import Upscaler

ROOT = Path(__file__).parent.parent


def test_it_hums_at_the_random_level(signal: torch.Tensor) -> None:
    """`signal` is silence, an impulse, a tone, noise and speech in turn."""
    hum = discover().degradation("example", max_db=-30)
    degraded = hum(signal, 48_000, torch.Generator().manual_seed(1))
    level_db = float(degraded.parameters["level_db"])
    assert -50 <= level_db <= -30
    assert torch.allclose((degraded.audio - signal).abs().amax(), torch.tensor(10 ** (level_db / 20)), rtol=1e-3)


def test_a_recipe_trains_with_it(project: Upscaler) -> None:
    """As a user runs it, for a few steps."""
    recording = project.folder / "speech.flac"
    done = project("train", ROOT / "recipe.yaml", "--set", f"data.train=[{recording}]", "--out", "run")
    assert done.returncode == 0, done.stderr
