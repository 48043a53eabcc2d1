"""Noise shaping: the filter is the optimum it claims to be, and the noise in the integers is that filter's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal
from torch import Tensor

from upscaler_files import quantize
from upscaler_files.flac import FlacExporter
from upscaler_files.options import FlacOptions, WavOptions
from upscaler_files.quantize import Quantizer, quantizer_for
from upscaler_files.shaping import ORDER, PRICE, noise_filter, threshold
from upscaler_files.wav import WavExporter

RATES = (44_100, 48_000, 88_200, 96_000, 176_400, 192_000, 352_800, 384_000)
ODD_RATES = (8_000, 11_025, 16_000, 22_050, 32_000, 37_800, 768_000)
TAPS = noise_filter(44_100)


def quantized(
    x: Tensor, bits: int = 16, rate: int = 44_100, seed: int = 0, cuts: tuple[int, ...] = (), dither: str = "shaped"
) -> Tensor:
    quantizer = quantizer_for(bits, dither, rate, seed)  # type: ignore[arg-type]
    parts = [quantizer.push(part) for part in torch.tensor_split(x, list(cuts), dim=1)]
    return torch.cat([*parts, quantizer.finish()], 1)


def total_error(x: Tensor, bits: int = 16, rate: int = 44_100, dither: str = "shaped") -> np.ndarray:
    """The quantized samples of one channel minus the samples themselves, LSB."""
    return (quantized(x, bits, rate, dither=dither).double() - x.double() * 2 ** (bits - 1)).numpy()[0]


def sound(length: int, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(1, length, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def response(taps: tuple[float, ...], points: int = 1 << 16) -> np.ndarray:
    """Power |F|² from 0 to the Nyquist frequency."""
    return np.abs(np.fft.rfft([1, *taps], 2 * points)) ** 2


# --- the filter


@pytest.mark.parametrize("rate", RATES + ODD_RATES)
def test_filter(rate: int) -> None:
    taps = noise_filter(rate)
    assert len(taps) == ORDER
    assert np.abs(np.roots([1, *taps])).max() < 0.999
    assert abs(10 * np.log10(response(taps)[:-1]).mean()) < 0.01  # Gerzon and Craven's law, with equality
    assert 10 * np.log10(1 + np.square(taps).sum()) < 16


@pytest.mark.parametrize("rate", RATES)
def test_no_filter_of_the_order_is_less_audible(rate: int) -> None:
    kilohertz = np.maximum(np.linspace(0, rate / 2000, (1 << 14) + 1), 0.02)
    loudness = 10 ** (-threshold(kilohertz) / 10)
    weights = loudness + PRICE * loudness.mean()

    def cost(taps: np.ndarray) -> float:
        return float((weights * response(tuple(taps), 1 << 14)).mean())

    ours = np.array(noise_filter(rate))
    generator = np.random.default_rng(rate)
    for size in (1e-3, 1e-2, 1e-1):
        assert all(cost(ours + size * generator.normal(size=ORDER)) > cost(ours) for _ in range(30))


def test_threshold() -> None:
    levels = threshold(np.array([0.1, 1.0, 3.3, 10.0]))
    np.testing.assert_allclose(levels, [22.95, 3.37, -4.98, 10.58], atol=0.03)  # hearing is best near 4 kHz


# --- the noise


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000, 192_000])
@pytest.mark.parametrize("bits", [16, 24])
def test_noise_has_the_spectrum_of_the_filter(rate: int, bits: int) -> None:
    error = total_error(sound(1 << 19), bits, rate)
    assert deviation(error, noise_filter(rate)) < 0.5


def test_that_test_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    x = sound(1 << 19)
    assert deviation(total_error(x, dither="tpdf"), TAPS) > 5
    assert deviation(total_error(x), noise_filter(48_000)) > 0.5
    rectangular(monkeypatch)
    assert deviation(total_error(x), TAPS) > 1


def deviation(error: np.ndarray, taps: tuple[float, ...]) -> float:
    """RMS over frequency of the spectrum's distance from 0.25 LSB² · |F|², dB."""
    _, power = signal.welch(error, 1, nperseg=4096, detrend=False)
    expected = 0.25 * 2 * response(taps, 2048)
    return float(np.sqrt(np.square(10 * np.log10(power / expected))[1:-1].mean()))


def test_noise_is_less_audible() -> None:
    x = sound(1 << 18)
    frequency, shaped = signal.welch(total_error(x), 44_100, nperseg=1024)
    _, white = signal.welch(total_error(x, dither="tpdf"), 44_100, nperseg=1024)
    band = (frequency >= 2_000) & (frequency <= 5_000)
    loudness = 10 ** (-threshold(np.maximum(frequency, 20) / 1000) / 10)
    assert 10 * np.log10(white[band].mean() / shaped[band].mean()) > 18
    assert 10 * np.log10((loudness * white).sum() / (loudness * shaped).sum()) > 15


def levels() -> list[np.ndarray]:
    """The errors e, before the filter, at DC levels through one LSB."""
    errors = []
    for step in range(11):
        x = torch.full((1, 1 << 17), (100 + step / 10) / 2**15, dtype=torch.float64)
        errors.append(signal.lfilter([1], [1, *TAPS], total_error(x)))
    return errors


def is_clean(errors: list[np.ndarray]) -> bool:
    """Whether the errors are those of triangular dither: of mean 0 and variance 0.25, white, whatever was rounded."""
    return all(
        abs(e.mean()) < 0.006
        and abs(e.var() - 0.25) < 0.005
        and abs(np.mean(e[1:] * e[:-1])) < 0.005
        and np.abs(e).max() <= 1.5
        for e in errors
    ) and all(abs(variance - 0.25) < 0.01 for variance in variances(np.concatenate(errors)))


def variances(e: np.ndarray) -> list[float]:
    """Of the errors, by where between two integers the rounded value lay."""
    tenth = ((-e % 1) * 10).astype(int)
    return [float(e[tenth == k].var() + e[tenth == k].mean() ** 2) for k in range(10)]


def rectangular(monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., Tensor] = quantize.noise

    def one_half(seed: int, layer: str, start: int, length: int, *, uniform: bool) -> Tensor:
        return real(seed, layer, start, length, uniform=uniform) if layer.endswith("1") else torch.full((length,), 0.5)

    monkeypatch.setattr(quantize, "noise", one_half)


def test_feedback_leaves_the_error_independent_of_the_signal() -> None:
    assert is_clean(levels())


def test_rectangular_and_no_dither_fail_that_test(monkeypatch: pytest.MonkeyPatch) -> None:
    rectangular(monkeypatch)
    errors = levels()
    assert not is_clean(errors) and np.ptp(variances(np.concatenate(errors))) > 0.2
    monkeypatch.setattr(quantize, "noise", lambda seed, layer, start, length, *, uniform: torch.full((length,), 0.5))
    assert not is_clean(levels())


# --- the stream


def test_the_recursion_is_its_definition() -> None:
    """Against the two lines of the module's docstring, written as they stand there."""
    x, taps = sound(9_000), noise_filter(48_000)
    dither = Quantizer(16, seed=7)._triangular(9_000)
    errors, expected = [0.0] * ORDER, []
    for sample, d in zip((x[0] * 2**15).tolist(), dither.tolist(), strict=True):
        v = sample + sum(tap * e for tap, e in zip(taps, reversed(errors), strict=False))
        expected.append(round(v + d))
        errors = [*errors[-ORDER:], expected[-1] - v]
    assert quantized(x, rate=48_000, seed=7)[0].tolist() == expected


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(
    length=st.integers(0, 20_000),
    cuts=st.lists(st.integers(0, 20_000), max_size=6),
    bits=st.sampled_from([16, 24, 32]),
)
def test_cuts_do_not_matter(length: int, cuts: list[int], bits: int) -> None:
    x = sound(3 * length).view(3, length).float()
    x[1, 4_000:13_000] = 0
    uncut = quantized(x, bits)
    assert uncut.shape == x.shape and uncut.dtype == torch.int32
    assert torch.equal(quantized(x, bits, cuts=tuple(sorted(min(cut, length) for cut in cuts))), uncut)


def test_channels_share_the_dither_and_seeds_differ() -> None:
    mono = sound(9_000)
    both = quantized(mono.repeat(2, 1), seed=1)
    assert torch.equal(both[0], both[1]) and torch.equal(both[:1], quantized(mono, seed=1))
    assert not torch.equal(both[:1], quantized(mono, seed=2))


def test_digital_silence_stays_and_ends_the_feedback() -> None:
    block = quantize.BLOCK
    x = torch.zeros(2, 5 * block + 100, dtype=torch.float64)
    x[0, :block] = sound(block)
    x[0, 2 * block + 7] = 0.5
    y = quantized(x)
    assert not y[1].any() and not y[0, 5 * block :].any()
    assert [bool(part.any()) for part in y[0, : 5 * block].view(5, block)] == [True, False, True, False, False]
    x[0, :block] = 0  # what lies before a silence is forgotten in it
    assert torch.equal(quantized(x)[0, block:], y[0, block:])


@pytest.mark.parametrize("bits", [16, 24, 32])
def test_clipping_is_clamped_counted_and_not_fed_back(bits: int) -> None:
    top = 2 ** (bits - 1)
    x = torch.tensor([[1.5, -1.5] * 50 + [0.0] * 50], dtype=torch.float64)
    quantizer = quantizer_for(bits, "shaped", 44_100, 0)
    y = torch.cat((quantizer.push(x), quantizer.finish()), 1)[0]
    assert y[:100].tolist() == [top - 1, -top] * 50 and quantizer.clipped == 100
    assert y[100:].abs().max() < 20


@pytest.mark.parametrize("kind", ["wav", "flac"])
@pytest.mark.parametrize("rate", [44_100, 96_000])
def test_files(tmp_path: Path, kind: str, rate: int) -> None:
    x = sound(10_000).float()
    exporter = {
        "wav": WavExporter(WavOptions(bits=16, dither="shaped")),
        "flac": FlacExporter(FlacOptions(bits=16, dither="shaped")),
    }[kind]
    with exporter.open(tmp_path / "out", rate, 1, seed=3) as sink:
        sink.write(x)
    codes, _ = soundfile.read(tmp_path / "out", dtype="int16")
    assert codes.tolist() == quantized(x, rate=rate, seed=3)[0].tolist()
