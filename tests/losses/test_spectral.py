"""The spectral losses: known values, and the white paper's formulas in a naive implementation."""

import math

import numpy as np
import pytest
import torch

from upscaler_core import discover
from upscaler_core.testing.signals import noise

build = discover().loss


def naive_stft(x, n_fft):
    """`[time]` -> `[bin, frame]`, frame by frame: centred, zeros beyond the ends, periodic Hann, hop a quarter."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    padded = np.pad(x, n_fft // 2)
    starts = range(0, len(x) + 1, n_fft // 4)
    return np.stack([np.fft.rfft(window * padded[s : s + n_fft]) for s in starts], 1)


def test_a_gain_of_two_is_ln_2_a_resolution(music):
    x = noise((2, 1, 20_000))
    log_only = build("multi-resolution-stft", linear_weight=0)
    assert float(log_only(2 * x, x)) == pytest.approx(3 * math.log(2), rel=1e-4)
    assert float(build("multi-resolution-stft", linear_weight=0, log_weight=0.5)(2 * x, x)) == pytest.approx(
        1.5 * math.log(2), rel=1e-4
    )
    linear = build("multi-resolution-stft", log_weight=0, fft_sizes=[1024])
    assert float(linear(3 * x, x)) == pytest.approx(2 * float(linear(2 * x, x)), rel=1e-5)


def test_a_gain_of_ten_is_a_log_spectral_distance_of_2():
    x = noise((2, 2, 20_000))
    assert float(build("log-spectral-distance")(10 * x, x)) == pytest.approx(2, abs=1e-4)


def test_silence_counts_from_the_floor_on():
    x = torch.zeros(1, 1, 8_192)
    x[0, 0, ::4] = 1  # every fourth bin full, the others empty
    gain = build("multi-resolution-stft", linear_weight=0, fft_sizes=[512], floor=1.0)
    assert float(gain(x / 1e6, torch.zeros_like(x))) == 0
    power = float(build("log-spectral-distance")(torch.zeros_like(x), torch.zeros_like(x)))
    assert power == 0


def test_the_papers_sum_written_out(music):
    y, x = music, music + noise(tuple(music.shape), amplitude=0.01)
    total = 0.0
    for n_fft in (512, 1024, 2048):
        ours, theirs = (np.stack([abs(naive_stft(c, n_fft)) for c in s[0].double().numpy()]) for s in (x, y))
        total += abs(theirs - ours).mean()
        total += abs(np.log(np.maximum(theirs, 1e-4)) - np.log(np.maximum(ours, 1e-4))).mean()
    assert float(build("multi-resolution-stft")(x, y)) == pytest.approx(total, rel=1e-4)
    assert float(build("l1")(x, y)) == pytest.approx(float((x - y).abs().mean()))


def test_the_log_spectral_distance_written_out(music):
    y, x = music, music + noise(tuple(music.shape), amplitude=0.01)
    ours, theirs = (
        np.stack([np.log10(np.maximum(abs(naive_stft(c, 2048)) ** 2, 1e-8)) for c in s[0].double().numpy()])
        for s in (x, y)
    )
    expected = np.sqrt(((ours - theirs) ** 2).mean(-2)).mean()
    assert float(build("log-spectral-distance")(x, y)) == pytest.approx(expected, rel=1e-4)
