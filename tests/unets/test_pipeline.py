"""The real networks, untrained, in the pipeline."""

import pytest
import torch

from upscaler_core import discover
from upscaler_core.pipeline.spec import Chunk
from upscaler_core.testing import signals
from upscaler_core.testing.signals import decibels


@pytest.fixture(scope="module")
def mono():
    return signals.band_limited(16_000, 7_500, 2.5)


def level_above(x, rate, frequency):
    high = torch.fft.rfft(x.double() * torch.hann_window(x.shape[-1]))
    return high[..., torch.fft.rfftfreq(x.shape[-1], 1 / rate) > frequency].abs().square().mean().item()


@pytest.mark.parametrize("stereo", ["independent", "mid-side"])
def test_dual_mono_stays_dual_mono(dual, mono, stereo):
    out = dual(stereo=stereo)(mono.repeat(2, 1), 16_000)
    assert torch.equal(out[0], out[1])
    assert level_above(out, 48_000, 9_000) > 1e4 * level_above(dual(models={})(mono, 16_000), 48_000, 9_000)


def test_channels_are_independent(dual, mono):
    stereo = torch.cat([mono, signals.band_limited(16_000, 7_000, 2.5)])
    together = dual()(stereo, 16_000)
    assert torch.equal(together[1:], dual()(stereo[1:], 16_000))


@pytest.mark.parametrize("rate", [44_100, 96_000, 192_000])
def test_any_target_rate(dual, mono, rate):
    out = dual(target_rate=rate)(mono, 16_000)
    assert out.shape == (1, -(-mono.shape[-1] * rate // 16_000))
    assert level_above(out, rate, 9_000) > 1e4 * level_above(
        dual(models={}, target_rate=rate)(mono, 16_000), rate, 9_000
    )


def test_a_high_resolution_source_keeps_what_is_above_the_models_rate(dual):
    source = (signals.tone(1_000, 96_000, 120_000) + signals.tone(30_000, 96_000, 120_000, 0.1))[None]
    out = dual(target_rate=96_000)(source, 96_000)
    near_tone = torch.fft.rfftfreq(120_000, 1 / 96_000).sub(30_000).abs() < 100
    output, original = (torch.fft.rfft(x * torch.hann_window(120_000))[0, near_tone].abs() for x in (out, source))
    assert decibels(output - original, original) < -80


@pytest.mark.parametrize("chunk", [Chunk(samples=24_576), Chunk(samples=24_576, batch=2)], ids=["one", "two"])
def test_streamed_is_one_shot(dual, mono, chunk):
    pipeline = dual(chunk=chunk)
    blocks = torch.split(mono, 7_001, -1)
    assert torch.equal(torch.cat(list(pipeline.stream(blocks, 16_000)), -1), pipeline(mono, 16_000))


def test_chunks_leave_no_seam(dual, mono):
    small, large = (dual(chunk=Chunk(samples=samples))(mono, 16_000) for samples in (24_576, 131_072))
    added = large - dual(models={})(mono, 16_000)
    assert decibels(small - large, added) < -80


def test_the_waveform_net_alone_and_blended_twice_are_the_same(dual, wave, mono):
    blend = discover().fusion("blend", weights={"a": 1.0, "b": 3.0})
    alone = dual(models={"wave": wave}, fusion=None)(mono, 16_000)
    both = dual(models={"a": wave, "b": wave}, fusion=blend)(mono, 16_000)
    assert decibels(both - alone, alone) < -100


@pytest.mark.parametrize("file", ["speech_kerstin_de_cc0_48k.flac", "arovane_beat_d_cc0_lossless.flac"])
def test_real_audio_keeps_its_low_band(dual, audio, file):
    import soundfile

    samples, rate = soundfile.read(audio / file, dtype="float32", frames=120_000)
    x = torch.from_numpy(samples).reshape(len(samples), -1)[:, 0]
    low = discover().resampler("poly-sinc-hq")(x[None], rate, 16_000)
    out, plain = dual()(low, 16_000), dual(models={})(low, 16_000)
    window = torch.hann_window(out.shape[-1])  # without it the ends leak into the low band
    error, low_band = (torch.fft.rfft(y * window)[:, : out.shape[-1] * 7_000 // 48_000] for y in (out - plain, plain))
    assert decibels(error.abs(), low_band.abs()) < -60
    assert level_above(out, 48_000, 9_000) > 10 * level_above(plain, 48_000, 9_000)
