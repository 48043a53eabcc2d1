"""The metric against the definition, and from `upscaler evaluate`."""

import pytest
import torch
from upscaler_core import discover
from upscaler_core.testing import Upscaler


def test_an_error_of_a_tenth_is_20_db(speech: torch.Tensor) -> None:
    """`speech` is real."""
    snr = discover().metric("example", ceiling_db=90)
    assert float(snr(1.1 * speech[None], speech[None], 48_000)) == pytest.approx(20, abs=1e-3)
    assert float(snr(speech[None], speech[None], 48_000)) == pytest.approx(90)


def test_it_scores_files(project: Upscaler) -> None:
    """As a user runs it."""
    done = project("evaluate", "speech.flac", "speech.flac", "--metrics", "example")
    assert done.returncode == 0, done.stderr
    assert "120" in done.stdout
