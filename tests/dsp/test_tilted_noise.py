"""The null system adds noise in the right place, at the right level, however the signal is cut."""

import math

import pytest
import torch

from upscaler_core import Chunk, Pipeline, discover
from upscaler_core.testing import contract_tests, signals

UP = discover()


@contract_tests("tilted-noise", rate=44_100)
def test_contract(check):
    check()


def pipeline(rate=48_000, cutoff=6_000.0, **settings):
    models = {"noise": UP.model("tilted-noise", rate=rate)}
    settings = {"target_rate": rate, "cutoff_hz": cutoff, "keep_source_band": False} | settings
    return Pipeline(UP.resampler("poly-sinc-hq", dsp_quality="fast"), models=models, **settings)


def level(x, low, high, rate=48_000):
    """dB, mean over the bins of a band."""
    power = torch.fft.rfft(x.double()).abs().square()
    f = torch.fft.rfftfreq(x.shape[-1], 1 / rate)
    return 10 * math.log10(power[..., (f >= low) & (f < high)].mean())


def test_it_falls_by_12_db_an_octave_from_the_band_below_the_cutoff():
    spectrum = torch.fft.rfft(signals.noise((1, 8 * 48_000)))
    spectrum[:, 8 * 6_000 :] = 0
    x = torch.fft.irfft(spectrum)
    y = pipeline()(x, 48_000)
    assert level(y, 8_000, 8_200) - level(y, 16_000, 16_400) == pytest.approx(12, abs=0.5)
    assert signals.decibels(low(y) - low(x), low(x)) < -50  # a Hann window's skirts


def low(x):
    """The part of a signal that is well below 0.88 of 6 kHz."""
    spectrum = torch.fft.rfft(x)
    spectrum[..., int(4_500 / 48_000 * x.shape[-1]) :] = 0
    return torch.fft.irfft(spectrum)


def test_content_louder_than_the_noise_stays():
    x = signals.noise((1, 48_000))  # full band: the noise is quieter, except where a bin happens to be quiet
    loud = x + signals.tone(12_000, 48_000, 48_000)
    y = pipeline()(loud, 48_000)
    assert level(y, 11_990, 12_010) == pytest.approx(level(loud, 11_990, 12_010), abs=0.1)


def test_chunks_do_not_matter_and_the_seed_does():
    x = signals.band_limited(48_000, 6_000, 6)
    one_chunk = pipeline(chunk=Chunk(samples=480_000))(x, 48_000)
    assert (
        signals.decibels(pipeline(chunk=Chunk(samples=20_000, overlap=0))(x, 48_000) - one_chunk, one_chunk - x) < -80
    )
    assert signals.decibels(pipeline(seed=1)(x, 48_000) - one_chunk, one_chunk - x) > -10
    blocks = torch.cat(list(pipeline().stream(x.split(7_777, -1), 48_000)), -1)
    assert torch.equal(blocks, pipeline()(x, 48_000))


def test_channels_share_the_noise_and_silence_stays_silent():
    x = signals.band_limited(48_000, 6_000, 2)
    y = pipeline()(torch.cat([x, x, 0 * x]), 48_000)
    assert torch.equal(y[0], y[1])
    assert not y[2].any()
    assert y[0].any()
