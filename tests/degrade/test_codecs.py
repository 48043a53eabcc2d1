"""The codecs: sample rates, bandwidth, bit rates."""

import shutil

import pytest
import scipy.signal
import torch

from upscaler_core import MissingDependency, discover
from upscaler_core.testing.signals import decibels, noise

RATE = 48_000
build = discover().degradation


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


CODECS = ("mp3", "vorbis", "opus", *(["aac"] if shutil.which("ffmpeg") else []))


def lag(x, y):
    """The number of samples by which `y` is late, from the peak of the cross-correlation of the first channels."""
    size = 2 * x.shape[-1]
    product = torch.fft.irfft(torch.fft.rfft(y[0], size) * torch.fft.rfft(x[0], size).conj(), size)
    peak = int(product.argmax())
    return peak if peak < size // 2 else peak - size


def level_above(x, rate, hz):
    """The energy above `hz` relative to all energy, dB."""
    power = torch.fft.rfft(x.double()).abs().square().sum(0)
    f = torch.fft.rfftfreq(x.shape[-1], 1 / rate)
    return float(10 * torch.log10(power[f > hz].sum() / power.sum()))


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("rate", [16_000, 96_000])
def test_a_rate_that_the_coder_lacks_is_passed_through_another(name, rate):
    x = build("band-limit", kinds=["windowed-sinc"], min_hz=5_000, max_hz=5_000)(noise((1, rate)), rate, seeded()).audio
    out = build(name)(x, rate, seeded()).audio
    assert out.shape == x.shape
    assert lag(x, out) == 0
    assert decibels(out - x, x) < -6


@pytest.mark.parametrize("name", CODECS)
def test_the_bandwidth_is_where_a_coded_sweep_ends(name):
    out = build(name)(noise((2, RATE)), RATE, seeded(5))
    assert out.bandwidth_hz is not None
    sweep = scipy.signal.chirp(torch.arange(RATE) / RATE, 500, 1, 23_500)
    x = 0.1 * torch.from_numpy(sweep).float().expand(2, -1)
    coded = build(name)(x, RATE, seeded(5)).audio
    assert level_above(coded, RATE, out.bandwidth_hz + 1_000) < -25
    below = out.bandwidth_hz - 1_000
    assert level_above(coded, RATE, below - 1_000) - level_above(coded, RATE, below) > 0.1


def test_mp3_at_64_kbps_cuts_stereo_at_11_khz(beat):
    out = build("mp3", max_kbps=64, vbr_chance=0)(beat, 44_100, seeded())
    assert out.parameters == {"kbps": 64}
    assert out.bandwidth_hz == pytest.approx(11_100, abs=200)
    assert level_above(out.audio, 44_100, 12_000) < level_above(beat, 44_100, 12_000) - 10


def test_more_bits_are_closer(speech):
    def error(name, **options):
        return decibels(build(name, **options)(speech, RATE, seeded()).audio - speech, speech)

    assert error("mp3", min_kbps=320, max_kbps=320, vbr_chance=0) < error("mp3", max_kbps=64, vbr_chance=0) - 6
    assert error("mp3", vbr_chance=1, min_v=0, max_v=0) < error("mp3", vbr_chance=1, min_v=9) - 6
    assert error("vorbis", min_quality=9, max_quality=9) < error("vorbis", max_quality=0) - 6
    assert error("opus", min_kbps=192, max_kbps=192) < error("opus", max_kbps=64) - 6


def test_long_vorbis_and_five_channels_survive():
    assert build("vorbis")(noise((1, 40 * RATE)), RATE, seeded()).audio.shape == (1, 40 * RATE)
    assert build("mp3")(noise((5, RATE // 2)), RATE, seeded()).audio.shape == (5, RATE // 2)


def test_aac_without_ffmpeg_says_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingDependency, match="apt install ffmpeg"):
        build("aac")
