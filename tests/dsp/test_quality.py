"""The specified numbers of poly-sinc-hq, against analytic signals and against a plain sum."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from dsp.signals import QUALITIES, RATES, WILD, db, noise, poly, tone
from torch import Tensor

from upscaler_core.dsp import Resample

F32, F64 = torch.float32, torch.float64


def response(resample: Resample, a: int, b: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Frequency (relative to the lower Nyquist) and magnitude of the kernel, from one impulse for each input phase."""
    common = math.gcd(a, b)
    down, up = a // common, b // common
    gap = down * math.ceil(3000 * max(1, a // b) / down) + 1
    x = torch.zeros((down + 2) * gap, dtype=dtype)
    x[gap * torch.arange(1, down + 1)] = 1
    y = resample(x, a, b).double()
    half = gap * up // 2 - up
    h = torch.zeros(2 * half, dtype=F64)
    for centre in range(gap * up, (down + 1) * gap * up, gap * up):
        n = torch.arange(-(-(centre - half) // down), (centre + half) // down)
        h[n * down - centre] = y[n]
    frequency = torch.arange(half + 1) / (2 * half) * (up * a) / (min(a, b) / 2)
    return frequency, torch.fft.rfft(h).abs() / up


def check_response(
    quality: str, a: int, b: int, dtype: torch.dtype, ripple: float, edge: float, rejection: float
) -> None:
    f, h = response(poly(quality), a, b, dtype)
    level = 20 * torch.log10(h + 1e-20)
    assert level[f <= 0.9].abs().max() <= ripple
    assert f[int((level.abs() > 0.1).nonzero()[0])] >= edge
    assert level[f >= 1].max() <= -rejection


@pytest.mark.parametrize(("a", "b"), [r for r in RATES if r != (44100, 192000)])
def test_response_of_quality(a: int, b: int) -> None:
    check_response("quality", a, b, F32, ripple=0.001, edge=0.96, rejection=130)


@pytest.mark.parametrize(("a", "b"), [(48000, 96000), (44100, 48000), (96000, 48000)])
def test_response_of_exact(a: int, b: int) -> None:
    check_response("exact", a, b, F64, ripple=1e-6, edge=0.96, rejection=170)


def test_each_quality_differs() -> None:
    edges = []
    for quality, rejection in (("fast", 95), ("balanced", 115), ("quality", 130), ("exact", 170)):
        f, h = response(poly(quality), 48000, 96000, F64)
        assert -20 * math.log10(float(h[f >= 1].max())) >= rejection
        edges.append(float(f[int((h < 0.9886).nonzero()[0])]))
    assert edges == sorted(set(edges))


@pytest.mark.parametrize(("a", "b"), [*RATES, *WILD, (44100, 384000), (192000, 8000)])
@pytest.mark.parametrize(("quality", "dtype", "floor"), [("quality", F32, -130), ("exact", F64, -170)])
def test_tone_against_analytic(quality: str, dtype: torch.dtype, floor: float, a: int, b: int) -> None:
    for share in (0.045, 0.45):  # of the lower rate: the upper one is 0.9 of its Nyquist
        hertz = share * min(a, b)
        out = poly(quality)(tone(hertz, a, a // 4, dtype), a, b)
        error = out.double() - tone(hertz, b, len(out))
        inner = slice(len(out) // 4, -len(out) // 4)
        assert db(error[inner], out[inner]) <= floor


@pytest.mark.parametrize(("a", "b"), [(96000, 44100), (192000, 44101)])
def test_no_alias_of_what_is_above(a: int, b: int) -> None:
    out = poly()(tone(0.51 * b, a, a // 2, F32), a, b)
    assert 20 * math.log10(float(out[len(out) // 4 : -len(out) // 4].double().std())) <= -130


@pytest.mark.parametrize(("quality", "dtype", "snr"), [("quality", F32, 128), ("exact", F64, 170)])
def test_round_trip(quality: str, dtype: torch.dtype, snr: float) -> None:
    spectrum = torch.fft.rfft(noise(1, 44100, F64)[0])
    spectrum[19845:] = 0  # 0.9 of Nyquist
    x = torch.fft.irfft(spectrum, 44100).to(dtype)
    back = poly(quality)(poly(quality)(x, 44100, 96000), 96000, 44100)[:44100]
    assert db((back - x)[5000:-5000], x[5000:-5000]) <= -snr


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize(("a", "b"), [(44100, 48000), (48000, 32000), (8000, 96000), (11025, 44101), (44101, 11025)])
def test_equals_the_plain_sum(quality: str, a: int, b: int) -> None:
    """The naive method: each output is the sum of the samples around it times the Kaiser-windowed sinc."""
    design = poly(quality).resampler.design  # type: ignore[attr-defined]
    nyquist = min(a, b) / a / 2
    half_length = math.ceil((design.attenuation_db - 7.95) / (2.285 * 2 * math.pi * nyquist * (1 - design.edge)) / 2)
    beta, cutoff = 0.1102 * (design.attenuation_db - 8.7), nyquist * (1 + design.edge) / 2

    def h(t: np.ndarray) -> np.ndarray:
        window = np.i0(beta * np.sqrt(np.clip(1 - (t / half_length) ** 2, 0, 1))) / np.i0(beta)
        return np.where(np.abs(t) <= half_length, 2 * cutoff * np.sinc(2 * cutoff * t) * window, 0)

    x = noise(1, 6000 * max(1, a // b), F64)[0]
    out = poly(quality)(x, a, b).numpy()
    for n in np.linspace(0, len(out) - 1, 60).astype(int):
        j = np.arange(max(0, int(n * a / b) - half_length - 1), min(len(x), int(n * a / b) + half_length + 2))
        # The polyphase design samples the kernel at the input rate; the aliases there are below the attenuation.
        assert abs(out[n] - x.numpy()[j] @ h(n * a / b - j)) < 3 * 10 ** (-design.attenuation_db / 20)
