"""The loss against the definition, and from a recipe."""

from pathlib import Path

import torch
from upscaler_core import discover
from upscaler_core.testing import Upscaler

ROOT = Path(__file__).parent.parent


def test_it_is_log_cosh(speech: torch.Tensor) -> None:
    """Against the formula in float64, for errors far below and far above the scale."""
    loss = discover().loss("example", scale=0.01)
    for level in (0.01, 1.0):
        truth = 0.01 * (level * speech.double() / 0.01).cosh().log().mean()
        assert torch.allclose(loss((1 + level) * speech[None], speech[None]).double(), truth, rtol=1e-2)


def test_a_recipe_trains_with_it(project: Upscaler) -> None:
    """As a user runs it, for a few steps."""
    recording = project.folder / "speech.flac"
    done = project("train", ROOT / "recipe.yaml", "--set", f"data.train=[{recording}]", "--out", "run")
    assert done.returncode == 0, done.stderr
