"""The limiter holds its ceiling, measured by other meters, and does not change what is below it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal
from torch import Tensor

from upscaler_core import discover
from upscaler_core.dsp.streaming import run
from upscaler_core.dsp.true_peak import HALF_LENGTH, TruePeak
from upscaler_core.testing import contract_tests
from upscaler_dsp.limiter import moving_average, release_ramp, sliding_maximum

FINE = 16
RATES = (44_100, 48_000, 96_000, 192_000)
UP = discover()


@contract_tests("limiter")
def test_contract(check):
    check()


@contract_tests("limiter", true_peak=False)
def test_contract_for_sample_peaks(check):
    check()


def limited(x: Tensor, rate: int = 48_000, blocks: list[Tensor] | None = None, **options: object) -> Tensor:
    return torch.cat(list(run(UP.finisher("limiter", **options).plan(rate), blocks or [x], joint=True)), 1)


def db(x: float) -> float:
    return 20 * math.log10(x)


def exact_peak(x: Tensor) -> float:
    """True peak in dB by an infinite sinc: the complete spectrum, zero-padded to 16 times the rate."""
    padded = np.pad(x.double().numpy(), ((0, 0), (1000, 1000 + x.shape[1] % 2)))
    spectrum = np.fft.rfft(padded)
    spectrum[:, -1] /= 2
    return db(np.abs(np.fft.irfft(spectrum, padded.shape[1] * FINE)).max() * FINE)


def kaiser_peak(x: Tensor) -> float:
    """True peak in dB by scipy's polyphase resampler with a long filter: for signals at the Nyquist frequency."""
    taps = signal.firwin(2 * 512 * FINE + 1, 1 / FINE, window=("kaiser", 8.0))
    padded = np.pad(x.double().numpy(), ((0, 0), (512, 512)))
    return db(np.abs(signal.resample_poly(padded, FINE, 1, axis=1, window=taps)).max())


def hard(name: str, rate: int) -> Tensor:
    """`[1, rate]`: a second of a signal that is hard for a limiter."""
    n = torch.arange(rate).double()
    generator = torch.Generator().manual_seed(rate)
    fade = torch.minimum(n, n.flip(0)).div(0.05 * rate).clamp(max=1)
    if name == "noise":
        x = 0.6 * torch.randn(rate, generator=generator).double()
    elif name == "clicks":
        x = 0.01 * torch.randn(rate, generator=generator).double()
        x[torch.randint(rate, (20,), generator=generator)] = 12.5
        x[torch.randint(rate, (20,), generator=generator)] = -12.5
    elif name == "between":
        x = 1.4 * torch.sin(math.pi / 2 * n + math.pi / 4) * (0.3 + 0.7 * (n > rate / 2))
    elif name == "square":
        x = 2 * torch.sin(2 * math.pi * 997 / rate * n + 0.1).sign()
    elif name == "sixth":
        x = 2 * fade * (1 - 2 * (n // 3 % 2))
    else:
        x = fade * (1 - 2 * (n % 2))
    return x.float()[None]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("name", ["noise", "clicks", "between", "square"])
def test_true_peak_is_held(name, rate):
    x = hard(name, rate)
    assert exact_peak(x) > 2
    assert exact_peak(limited(x, rate)) < -0.95


@pytest.mark.slow
@pytest.mark.parametrize("rate", [44_100, 192_000])
@pytest.mark.parametrize("name", ["sixth", "alternating"])
def test_true_peak_is_held_at_the_nyquist_frequency(name, rate):
    x = hard(name, rate)
    assert kaiser_peak(x) > -0.1
    assert kaiser_peak(limited(x, rate)) < -0.95


@pytest.mark.parametrize(("gain", "rate"), [(6, 44_100), (12, 44_100), (12, 96_000)])
@pytest.mark.parametrize("file", ["arovane_beat_d_cc0_lossless.flac", "void_sensor_30s_streamcopy.ogg"])
def test_true_peak_of_boosted_music_is_held(audio, file, gain, rate):
    x, source = soundfile.read(audio / file, stop=3 * 44_100, dtype="float32", always_2d=True)
    x = UP.resampler("poly-sinc-hq")(torch.from_numpy(x.T.copy()), source, rate) * 10 ** (gain / 20)
    assert exact_peak(x) > 4
    assert exact_peak(limited(x, rate)) < -0.95


@pytest.mark.parametrize("settings_", [{"lookahead_ms": 1, "hold_ms": 5, "release_ms": 20}, {"release_ms": 200}])
def test_true_peak_is_held_at_the_ends_of_the_options(settings_):
    assert exact_peak(limited(hard("noise", 48_000), ceiling_db=-3, **settings_)) < -2.95
    assert exact_peak(limited(hard("between", 48_000), ceiling_db=-3, **settings_)) < -2.95


@pytest.mark.parametrize("name", ["noise", "between", "square"])
def test_the_meters_see_what_a_sample_peak_limiter_misses(name):
    y = limited(hard(name, 48_000), true_peak=False)
    assert db(float(y.abs().max())) < -0.9999
    assert exact_peak(y) > 0
    assert kaiser_peak(y) > 0


@settings(max_examples=25, deadline=None)
@given(
    ceiling=st.floats(-24, 0),
    ahead=st.floats(1, 20),
    hold=st.floats(5, 100),
    release=st.floats(20, 200),
    gain=st.floats(0.1, 100),
    true_peak=st.booleans(),
    seed=st.integers(0, 99),
)
def test_no_sample_exceeds_the_ceiling(ceiling, ahead, hold, release, gain, true_peak, seed):
    generator = torch.Generator().manual_seed(seed)
    x = gain * torch.randn(2, 8_000, generator=generator) ** 5
    options = {"ceiling_db": ceiling, "lookahead_ms": ahead, "hold_ms": hold, "release_ms": release}
    y = limited(x, 8_000, true_peak=true_peak, **options)
    assert float(y.abs().max()) <= 10 ** (ceiling / 20) * (1 + 3e-7)


def test_audio_below_the_ceiling_keeps_its_bits():
    x = hard("noise", 48_000)
    x = x * 10 ** ((-1.05 - exact_peak(x)) / 20)
    assert torch.equal(limited(x), x)
    assert not torch.equal(limited(1.02 * x), 1.02 * x)
    assert torch.equal(limited(x, true_peak=False), x)


@pytest.mark.parametrize("true_peak", [True, False])
def test_audio_far_from_a_peak_keeps_its_bits(true_peak):
    x = 0.1 * hard("noise", 200_000)
    x[0, 100_000] = 2
    y = limited(x, true_peak=true_peak)
    near = slice(100_000 - 1 - 240, 100_000 + 1 + 480 + 240 + 4_800)
    x[0, near], y[0, near] = 0, 0
    assert torch.equal(x, y)


def test_the_gain_is_smooth_and_complete_at_the_peak():
    x = torch.full((1, 100_000), 0.1, dtype=torch.float64)
    x[0, 50_000] = 1
    gain = (limited(x, true_peak=False, ceiling_db=-20 * math.log10(2)) / x)[0]
    assert abs(float(gain[50_000]) - 0.5) < 1e-12
    assert gain[50_000 - 241] == 1 and gain[50_000 - 240] < 1
    assert bool((gain[50_000 - 241 : 50_001].diff() <= 1e-9).all())
    assert bool((gain[50_001:].diff() >= -1e-9).all())
    assert gain.diff().abs().max() < 0.5 * 2.4 / 240
    assert gain.diff().diff().abs().max() < 0.5 * 10 / 240**2


def test_the_level_does_not_depend_on_the_window():
    x = 1.4 * torch.sin(math.pi / 2 * torch.arange(400_000).double() + 1).float()[None]
    gain = (limited(x) / x)[0, 10_000:-10_000]
    assert (gain.max() - gain.min()) / gain.mean() < 2e-6


@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(1, 199_999), max_size=6, unique=True))
def test_streamed_equals_one_shot(cuts):
    x = hard("clicks", 200_000)
    assert torch.equal(limited(x), limited(x, blocks=list(x.tensor_split(sorted(cuts), 1))))


def test_channels_share_the_gain():
    x = torch.cat([hard("noise", 48_000), 0.01 + 0.05 * hard("square", 48_000), torch.zeros(1, 48_000)])
    y = limited(x)
    gains = y[:2] / x[:2]
    assert torch.allclose(gains[0], gains[1], rtol=1e-6)
    assert not y[2].any()
    mono = limited(x[:1])
    assert torch.equal(limited(x[:1].repeat(2, 1)), mono.repeat(2, 1))


def test_nothing_beyond_the_receptive_field_matters():
    plan = UP.finisher("limiter").plan(48_000)
    x = hard("clicks", 300_000)
    y = x.clone()
    middle = 150_000
    y[:, : middle - plan.receptive_field] += 3
    y[:, middle + plan.receptive_field + 1 :] -= 3
    a, b = limited(x), limited(y)
    assert abs(float(a[0, middle] - b[0, middle])) < 1e-6 * float(x[0, middle].abs())
    assert not torch.equal(a, b)


@pytest.mark.parametrize("frequency", [0.01, 0.2137, 0.25, 1 / 3, 0.49])
def test_the_peak_of_a_tone_is_its_amplitude(frequency):
    n = torch.arange(3 * 12_288 + 2 * HALF_LENGTH).double()
    peaks = TruePeak(0.5)(torch.sin(2 * math.pi * frequency * n + 0.4).float())
    assert abs(db(float(peaks.max()))) < 0.012
    spans = peaks.unfold(0, 100, 1).amax(-1)
    assert db(float(spans.min())) > -0.012


@given(x=st.lists(st.floats(0, 1), min_size=12, max_size=40), length=st.integers(0, 11))
def test_the_parts_follow_their_definitions(x, length):
    depth = torch.tensor(x, dtype=torch.float64)
    assert torch.equal(sliding_maximum(depth, length), depth.unfold(0, length + 1, 1).amax(-1))
    steps = length + 1
    slow = torch.tensor([max(0.0, *(x[i - j] - j / steps for j in range(i + 1))) for i in range(len(x))])
    assert torch.allclose(release_ramp(depth, steps), slow.double(), atol=1e-12)
    mean = moving_average(depth, length)
    assert len(mean) == len(x) - length
    low, high = (f(depth.unfold(0, length + 1, 1), -1) for f in (torch.amin, torch.amax))
    assert bool((mean >= low - 1e-12).all() and (mean <= high + 1e-12).all())
    assert not moving_average(torch.zeros(50).double().index_fill(0, torch.tensor([3]), 0.7), length)[4:].any()
