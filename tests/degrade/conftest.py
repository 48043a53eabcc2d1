"""Real audio for the degradations."""

import pytest
import soundfile as sf
import torch

RATE = 48_000


@pytest.fixture(scope="module")
def speech(audio):
    x, rate = sf.read(audio / "speech_kerstin_de_cc0_48k.flac", dtype="float32", always_2d=True)
    assert rate == RATE
    return torch.from_numpy(x.T[:, :RATE].copy())


@pytest.fixture(scope="module")
def beat(audio):
    """Two channels of music, 44.1 kHz."""
    x, rate = sf.read(audio / "arovane_beat_d_cc0_lossless.flac", dtype="float32", always_2d=True)
    assert rate == 44_100
    return torch.from_numpy(x.T[:, :rate].copy())
