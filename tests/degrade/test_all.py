"""What holds for every degradation."""

import shutil

import pytest
import torch

from upscaler_core import discover
from upscaler_core.errors import OptionError
from upscaler_degrade.options import BandLimitOptions

RATE = 48_000
build = discover().degradation


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


CODECS = ("mp3", "vorbis", "opus", *(["aac"] if shutil.which("ffmpeg") else []))
ALIGNED = ("band-limit", "quantization", *CODECS, "noise-floor", "level")


def lag(x, y):
    """The number of samples by which `y` is late, from the peak of the cross-correlation of the first channels."""
    size = 2 * x.shape[-1]
    product = torch.fft.irfft(torch.fft.rfft(y[0], size) * torch.fft.rfft(x[0], size).conj(), size)
    peak = int(product.argmax())
    return peak if peak < size // 2 else peak - size


@pytest.mark.parametrize("name", ALIGNED)
def test_real_audio_stays_aligned(name, speech, beat):
    for x, rate in ((beat, 44_100), (speech[:, :37_777], RATE)):
        out = build(name)(x, rate, seeded(1)).audio
        assert out.shape == x.shape
        assert lag(x, out) == 0


def test_a_range_is_written_from_its_lower_end():
    assert BandLimitOptions(min_hz=8_000, max_hz=12_000).min_hz == 8_000  # the white paper's
    with pytest.raises(OptionError, match=r"min_hz \(9000\) must not exceed max_hz \(8000\)"):
        build("band-limit", min_hz=9_000, max_hz=8_000)
