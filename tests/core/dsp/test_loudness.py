"""Levels against the tones of EBU Tech 3341, a naive implementation with scipy, and signals of known peaks."""

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from scipy import signal

from upscaler_core.dsp.loudness import measure_levels

SPEECH = Path(__file__).parents[3] / "examples" / "audio" / "speech_kerstin_de_cc0_48k.flac"


def tones(*parts, rate=48_000):
    """A tone of 1 kHz in both channels; `parts` are its successive levels: (dBFS, seconds)."""
    t = torch.arange(round(rate * sum(seconds for _, seconds in parts)), dtype=torch.float64) / rate
    gain = torch.cat([torch.full((round(rate * seconds),), 10 ** (level / 20)) for level, seconds in parts])
    return (gain * torch.sin(2 * math.pi * 1000 * t)).float().expand(2, -1)


# EBU Tech 3341, table 1, cases 1 to 5 (the last three with shorter stretches of the same proportions)
@pytest.mark.parametrize(
    ("parts", "lufs"),
    [
        ([(-23, 20)], -23),
        ([(-33, 20)], -33),
        ([(-36, 5), (-23, 30), (-36, 5)], -23),
        ([(-72, 5), (-36, 5), (-23, 30), (-36, 5), (-72, 5)], -23),
        ([(-26, 20), (-20, 20.1), (-26, 20)], -23),
    ],
)
@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_ebu_tones(parts, lufs, rate):
    assert measure_levels([tones(*parts, rate=rate)], rate).loudness == pytest.approx(lufs, abs=0.1)


def naive_lufs(x, rate):
    """Loudness by the coefficients that BS.1770 prints for 48 kHz; `x` is `[time, channel]`."""
    assert rate == 48_000
    b, a = [1.53512485958697, -2.69169618940638, 1.19839281085285], [1, -1.69065929318241, 0.73248077421585]
    y = signal.lfilter([1, -2, 1], [1, -1.99004745483398, 0.99007225036621], signal.lfilter(b, a, x, axis=0), axis=0)
    blocks = [(y[i : i + 19_200] ** 2).mean(0).sum() for i in range(0, len(y) - 19_199, 4_800)]
    loud = np.array([z for z in blocks if -0.691 + 10 * np.log10(z) > -70])
    gate = -0.691 + 10 * np.log10(loud.mean()) - 10
    return -0.691 + 10 * np.log10(loud[-0.691 + 10 * np.log10(loud) > gate].mean())


def test_real_speech_equals_the_naive_implementation():
    x, rate = soundfile.read(SPEECH, always_2d=True)
    levels = measure_levels([torch.from_numpy(x.T).float()], rate, 1 - 2.0**-15)
    assert levels.loudness == pytest.approx(naive_lufs(x, rate), abs=0.01)
    assert levels.peak_db == pytest.approx(20 * math.log10(np.abs(x).max()), abs=1e-4)
    assert levels.true_peak_db == pytest.approx(20 * math.log10(np.abs(signal.resample_poly(x, 8, 1)).max()), abs=0.1)
    assert levels.dc == pytest.approx(abs(x.mean()), abs=1e-7)
    assert (levels.frames, levels.bits) == (len(x), 16)


def test_a_peak_between_the_samples():
    t = torch.arange(48_000, dtype=torch.float64)
    levels = measure_levels([(0.5 * torch.sin(math.pi / 2 * t + math.pi / 4)).float()[None]], 48_000)
    assert levels.peak_db == pytest.approx(-9.03, abs=0.01) and levels.true_peak_db == pytest.approx(-6.02, abs=0.1)


@pytest.mark.parametrize("size", [1, 999, 10**6])
def test_clipping_is_counted_across_blocks_of_any_size(size):
    x = torch.zeros(2, 9_000)
    x[0, [10, 11, 12, 13, 20, 21]] = 1  # one run, and two in a row
    x[1, 4_799:4_802] = -1
    x[1, 8_997:] = 1.5
    levels = measure_levels(x.split(size, -1), 8_000)
    assert (levels.full_scale, levels.clipped_runs, levels.frames) == (12, 3, 9_000)
    assert levels == measure_levels([x], 8_000)


@pytest.mark.parametrize(("bits", "used"), [(8, 8), (16, 16), (20, 20), (24, 24), (30, None)])
def test_bits_in_use(bits, used):
    x = torch.randint(-(2 ** (bits - 2)), 2 ** (bits - 2), (1, 5_000), generator=torch.Generator().manual_seed(0))
    assert measure_levels([(x.double() / 2 ** (bits - 1)).float()], 8_000).bits == used


def test_silence_and_nothing():
    quiet = measure_levels([torch.zeros(1, 48_000)], 48_000)
    assert quiet.loudness is None and quiet.peak_db == quiet.true_peak_db == -math.inf
    assert measure_levels([], 48_000).frames == 0
    assert measure_levels([tones((-20, 0.3))], 48_000).loudness is None
