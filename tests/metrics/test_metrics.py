"""Every metric against what can be computed by hand, or by a naive twin."""

import math

import numpy as np
import pytest
import soundfile
import torch
from scipy import ndimage

from upscaler_core import UsageError, discover
from upscaler_core.testing import signals

UP = discover()
RATE = 48_000


def score(name, estimate, target, rate=RATE, **options):
    (value,) = UP.metric(name, **options)(estimate[None], target[None], rate)
    return float(value)


@pytest.fixture(scope="module")
def music(audio):
    samples, rate = soundfile.read(audio / "vibe_ace_30s_streamcopy.ogg", frames=88_200, dtype="float32")
    assert rate == 44_100
    return torch.from_numpy(samples.T.copy())


@pytest.mark.parametrize(
    ("definition", "value"), [("house", 2 * math.log10(2)), ("paper", math.log10(2)), ("ssr_eval", 2 * math.log10(2))]
)
def test_lsd_of_a_gain_of_2(definition, value):
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


def test_lsd_on_music_against_a_naive_twin(music):
    changed = torch.cat([music[:, :40_000], 0.1 * music[:, 40_000:]], -1) + signals.noise((2, 88_200), amplitude=1e-3)
    twin = np.mean([naive_lsd(a, b) for a, b in zip(changed.numpy(), music.numpy(), strict=True)])
    assert score("lsd", changed, music, 44_100) == pytest.approx(twin, abs=1e-4)


def test_lsd_does_not_tell_silence_from_what_is_under_its_floor():
    silence = torch.zeros(1, RATE)
    assert score("lsd", signals.noise((1, RATE), amplitude=1e-8), silence) == 0
    assert score("lsd", signals.noise((1, RATE), amplitude=1e-4), silence) > 1


def test_lsd_hf_looks_above_the_cutoff_only():
    x = signals.band_limited(RATE, 20_000)
    low = signals.band_limited(RATE, 7_000)
    assert score("lsd-hf", x + low, x, cutoff_hz=8_000) < 0.02
    assert score("lsd", x + low, x) > 0.1
    assert math.isnan(score("lsd-hf", x, x, cutoff_hz=24_000))


@pytest.mark.parametrize("metric", ["modulation-error", "envelope-error"])
def test_constant_noise_and_nothing_miss_the_whole_modulation(metric):
    loud = (torch.arange(4 * RATE) // RATE % 2).bool()
    noise = signals.noise((1, 4 * RATE))
    gated = noise * loud.where(loud, 0.01)  # steps of 40 dB: 20 dB around their mean
    assert score(metric, 0.1 * signals.noise((1, 4 * RATE), seed=1), gated) == pytest.approx(20, abs=0.5)
    assert score(metric, torch.zeros_like(gated), gated) == pytest.approx(20, abs=0.5)
    assert score(metric, 0.25 * gated, gated) == pytest.approx(0, abs=0.01)
    assert score(metric, gated + signals.band_limited(RATE, 7_000, 4), gated) < 0.1


def test_modulation_at_other_moments_is_the_right_modulation_of_a_wrong_envelope():
    loud = (torch.arange(4 * RATE) // RATE % 2).bool()
    noise = signals.noise((1, 4 * RATE))
    gated, other = (noise * when.where(when, 0.01) for when in (loud, ~loud))
    assert score("modulation-error", other, gated) < 0.2
    assert score("envelope-error", other, gated) == pytest.approx(40, abs=1)


@pytest.mark.parametrize("level", [0.1, 0.001])
def test_low_band_snr_is_the_ratio_of_the_energies(level):
    x = signals.tone(1_000, RATE, RATE)[None]
    error = signals.tone(3_000, RATE, RATE, amplitude=0.5 * level)[None]
    assert score("low-band-snr", x + error, x, cutoff_hz=8_000) == pytest.approx(-20 * math.log10(level), abs=0.1)
    above = signals.tone(9_000, RATE, RATE)[None]
    assert score("low-band-snr", x + above, x, cutoff_hz=8_000) > 80


def naive_ssim(x, y):
    """As scikit-image computes it: gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=80."""

    def blur(picture):
        return ndimage.gaussian_filter(picture, 1.5, truncate=3.5)

    mx, my = blur(x), blur(y)
    vx, vy, vxy = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
    c1, c2 = 0.8**2, 2.4**2
    return ((2 * mx * my + c1) * (2 * vxy + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2)))[5:-5, 5:-5].mean()


def test_ssim_against_the_formula_of_scikit_image(music):
    noisy = music + signals.noise((2, 88_200), amplitude=0.003)
    pictures = []
    for x in (noisy, music):
        stft = torch.stft(
            x.double(), 2048, 512, window=torch.hann_window(2048, dtype=torch.float64), return_complex=True
        )
        pictures.append(20 * np.log10(stft.abs().numpy() + 1e-10))
    tops = pictures[1].max((1, 2), keepdims=True)
    x, y = (np.maximum(picture - tops + 80, 0) for picture in pictures)
    twin = np.mean([naive_ssim(a, b) for a, b in zip(x, y, strict=True)])
    assert twin < 0.9
    assert score("ssim", noisy, music, 44_100) == pytest.approx(twin, abs=1e-4)
    assert score("ssim", music, music, 44_100) == pytest.approx(1, abs=1e-6)


def test_si_sdr_is_the_ratio_to_what_is_not_the_target_and_forgets_the_gain():
    x, error = (signals.tone(f, RATE, RATE)[None] for f in (1_000, 2_000))  # orthogonal
    for gain in (1, -3):
        assert score("si-sdr", gain * (x + 0.01 * error), x) == pytest.approx(40, abs=0.01)


@pytest.mark.parametrize("gain", [2, 0.5])
def test_level_change(music, gain):
    assert score("level-change", gain * music, music, 44_100) == pytest.approx(20 * math.log10(2), abs=1e-3)


def test_a_few_samples_and_silence_have_scores_or_none():
    for x in (signals.noise((2, 10)), torch.zeros(2, RATE)):
        for entry in UP.of("metric"):
            if entry.component.extra is None and entry.component.name != "ssim":
                assert math.isfinite(score(entry.component.name, x, x))
    assert math.isnan(score("ssim", signals.noise((1, 2_000)), signals.noise((1, 2_000))))


def test_a_wrong_option_is_told():
    with pytest.raises(UsageError, match="definition: must be 'house', 'paper' or 'ssr_eval'"):
        UP.metric("lsd", definition="mine")
