"""Real audio for the losses."""

import pytest
import soundfile as sf
import torch


@pytest.fixture(scope="module")
def music(audio):
    """`[1, 2, 1 s]` at 44.1 kHz."""
    x, rate = sf.read(audio / "arovane_beat_d_cc0_lossless.flac", dtype="float32", always_2d=True)
    return torch.from_numpy(x.T[None, :, 2 * rate : 3 * rate].copy())
