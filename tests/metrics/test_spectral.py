"""LSD, modulation and envelope errors and low-band SNR: values that are known, or come from a naive implementation."""

import math

import numpy as np
import pytest
import torch

from upscaler_core.testing import signals

RATE = 48_000


@pytest.mark.parametrize(
    ("definition", "value"), [("house", 2 * math.log10(2)), ("paper", math.log10(2)), ("ssr_eval", 2 * math.log10(2))]
)
def test_lsd_of_a_gain_of_2(score, definition, value):
    x = signals.noise((2, RATE))
    assert score("lsd", 2 * x, x, definition=definition) == pytest.approx(value, rel=1e-3)
    assert score("lsd-hf", 2 * x, x, definition=definition, cutoff_hz=8_000) == pytest.approx(value, rel=1e-3)


def naive_lsd(a, b):
    """Over frequency inside the root, over time outside."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2048) / 2048)
    distances = []
    for start in range(0, len(a) + 1, 512):
        spectra = []
        for x in (a, b):
            frame = np.pad(x.astype(float), 1024, mode="reflect")[start : start + 2048]
            spectra.append(np.log10(np.maximum(np.abs(np.fft.rfft(window * frame)) ** 2, 1e-8)))
        distances.append(math.sqrt(np.mean((spectra[0] - spectra[1]) ** 2)))
    return np.mean(distances)


def test_lsd_on_music_against_a_naive_twin(score, music):
    changed = torch.cat([music[:, :40_000], 0.1 * music[:, 40_000:]], -1) + signals.noise((2, 88_200), amplitude=1e-3)
    twin = np.mean([naive_lsd(a, b) for a, b in zip(changed.numpy(), music.numpy(), strict=True)])
    assert score("lsd", changed, music, 44_100) == pytest.approx(twin, abs=1e-4)


def test_lsd_ignores_everything_below_its_floor(score):
    silence = torch.zeros(1, RATE)
    assert score("lsd", signals.noise((1, RATE), amplitude=1e-8), silence) == 0
    assert score("lsd", signals.noise((1, RATE), amplitude=1e-4), silence) > 1


def test_lsd_hf_looks_above_the_cutoff_only(score):
    x = signals.band_limited(RATE, 20_000)
    low = signals.band_limited(RATE, 7_000)
    assert score("lsd-hf", x + low, x, cutoff_hz=8_000) < 0.02
    assert score("lsd", x + low, x) > 0.1
    assert math.isnan(score("lsd-hf", x, x, cutoff_hz=24_000))


@pytest.mark.parametrize("metric", ["modulation-error", "envelope-error"])
def test_constant_noise_and_nothing_miss_the_whole_modulation(score, metric):
    loud = (torch.arange(4 * RATE) // RATE % 2).bool()
    noise = signals.noise((1, 4 * RATE))
    gated = noise * loud.where(loud, 0.01)  # steps of 40 dB: 20 dB around their mean
    assert score(metric, 0.1 * signals.noise((1, 4 * RATE), seed=1), gated) == pytest.approx(20, abs=0.5)
    assert score(metric, torch.zeros_like(gated), gated) == pytest.approx(20, abs=0.5)
    assert score(metric, 0.25 * gated, gated) == pytest.approx(0, abs=0.01)
    assert score(metric, gated + signals.band_limited(RATE, 7_000, 4), gated) < 0.1


def test_modulation_at_other_moments_is_the_right_modulation_of_a_wrong_envelope(score):
    loud = (torch.arange(4 * RATE) // RATE % 2).bool()
    noise = signals.noise((1, 4 * RATE))
    gated, other = (noise * when.where(when, 0.01) for when in (loud, ~loud))
    assert score("modulation-error", other, gated) < 0.2
    assert score("envelope-error", other, gated) == pytest.approx(40, abs=1)


@pytest.mark.parametrize("level", [0.1, 0.001])
def test_low_band_snr_is_the_ratio_of_the_energies(score, level):
    x = signals.tone(1_000, RATE, RATE)[None]
    error = signals.tone(3_000, RATE, RATE, amplitude=0.5 * level)[None]
    assert score("low-band-snr", x + error, x, cutoff_hz=8_000) == pytest.approx(-20 * math.log10(level), abs=0.1)
    above = signals.tone(9_000, RATE, RATE)[None]
    assert score("low-band-snr", x + above, x, cutoff_hz=8_000) > 80
