"""The arithmetic of the last bit."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from upscaler_files import quantize
from upscaler_files.quantize import Quantizer

LSB = 2.0**-15


def quantized(x: Tensor, bits: int = 16, dither: bool = True, seed: int = 0, cuts: tuple[int, ...] = ()) -> Tensor:
    quantizer = Quantizer(bits, dither, seed)
    parts = [quantizer.push(part) for part in torch.tensor_split(x, list(cuts), dim=1)]
    return torch.cat([*parts, quantizer.finish()], 1)


def moments(dither: bool) -> list[tuple[float, float]]:
    """Mean (LSB) and variance (LSB²) of the error at DC levels through one LSB."""
    errors = []
    for step in range(11):
        level = (100 + step / 10) * LSB
        error = quantized(torch.full((1, 1 << 18), level, dtype=torch.float64), dither=dither, seed=step) - level / LSB
        errors.append((error.mean().item(), error.double().var(correction=0).item()))
    return errors


def is_clean(errors: list[tuple[float, float]]) -> bool:
    """Whether neither the error's mean nor its power depends on the signal."""
    return all(abs(mean) < 0.006 and abs(variance - 0.25) < 0.005 for mean, variance in errors)


def test_triangular_dither_makes_the_error_independent_of_the_signal() -> None:
    assert is_clean(moments(dither=True)), moments(dither=True)


def test_no_dither_and_rectangular_dither_fail_that_test(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_clean(moments(dither=False))
    real: Callable[..., Tensor] = quantize.noise

    def rectangular(seed: int, layer: str, start: int, length: int, *, uniform: bool) -> Tensor:
        return real(seed, layer, start, length, uniform=uniform) if layer.endswith("1") else torch.full((length,), 0.5)

    monkeypatch.setattr(quantize, "noise", rectangular)
    assert not is_clean(moments(dither=True))


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(
    length=st.integers(0, 20_000),
    cuts=st.lists(st.integers(0, 20_000), max_size=6),
    bits=st.sampled_from([16, 24, 32]),
    dither=st.booleans(),
)
def test_cuts_do_not_matter(length: int, cuts: list[int], bits: int, dither: bool) -> None:
    x = 0.2 * torch.randn(3, length, generator=torch.Generator().manual_seed(length))
    x[1, 4_000:13_000] = 0
    uncut = quantized(x, bits, dither, seed=5)
    assert uncut.shape == x.shape and uncut.dtype == torch.int32
    assert torch.equal(quantized(x, bits, dither, 5, tuple(sorted(min(cut, length) for cut in cuts))), uncut)


def test_channels_share_the_dither_and_seeds_differ() -> None:
    mono = 0.1 * torch.randn(1, 9_000)
    both = quantized(mono.repeat(2, 1), seed=1)
    assert torch.equal(both[0], both[1]) and torch.equal(both[:1], quantized(mono, seed=1))
    assert not torch.equal(both[:1], quantized(mono, seed=2))


def test_digital_silence_stays() -> None:
    x = torch.zeros(2, 5 * 4_096 + 100)
    x[0, 2 * 4_096 + 7] = 0.5
    y = quantized(x)
    assert not y[1].any()
    blocks = y[0, : 5 * 4_096].view(5, 4_096)
    assert [bool(block.any()) for block in blocks] == [False, False, True, False, False]
    assert not y[0, 5 * 4_096 :].any()


@pytest.mark.parametrize("bits", [16, 24, 32])
def test_clipping_is_clamped_and_counted(bits: int) -> None:
    top = 2 ** (bits - 1)
    x = torch.tensor([[1.0, -1.0, 1.5, -1.5, 1 + 0.4 / top, -1 - 0.6 / top, 0.5]], dtype=torch.float64)
    quantizer = Quantizer(bits, dither=False)
    first, rest = quantizer.push(x), quantizer.finish()
    assert torch.cat((first, rest), 1).tolist() == [[top - 1, -top, top - 1, -top, top - 1, -top, top // 2]]
    assert quantizer.clipped == 3


@pytest.mark.parametrize("bits", [16, 24])
def test_integers_come_back_exactly(bits: int) -> None:
    top = 2 ** (bits - 1)
    codes = torch.randint(-top, top, (2, 50_000), dtype=torch.int32)
    assert torch.equal(quantized((codes.double() / top).float(), bits, dither=False), codes)


def test_nothing_at_all() -> None:
    assert Quantizer(16).finish().numel() == 0
