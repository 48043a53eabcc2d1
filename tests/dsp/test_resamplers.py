"""Properties of all resamplers, our own and the wrapped libraries."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from dsp.signals import ALL, DSP, QUALITIES, WILD, noise, poly
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from upscaler_core import UsageError
from upscaler_core.dsp import Resample

each = pytest.mark.parametrize("resample", ALL.values(), ids=ALL.keys())
each_dsp = pytest.mark.parametrize("resample", DSP.values(), ids=DSP.keys())
PAIRS = ((44100, 48000), (96000, 44100), (8000, 44100))


def cut(x: Tensor, sizes: list[int]) -> Iterator[Tensor]:
    start = 0
    while start < x.shape[-1]:
        for size in sizes:
            yield x[:, start : start + size]
            start += size


def streamed(resample: Resample, x: Tensor, a: int, b: int, sizes: list[int]) -> Tensor:
    return torch.cat(list(resample.stream(cut(x, sizes), a, b)), -1)


@each
@pytest.mark.parametrize("samples", [0, 1, 2, 7, 4410, 44101])
def test_length_is_the_ceiling(resample: Resample, samples: int) -> None:
    for a, b in PAIRS:
        assert resample(noise(1, samples), a, b).shape == (1, math.ceil(samples * b / a))


@each
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_streamed_is_one_shot(resample: Resample, dtype: torch.dtype) -> None:
    for a, b in PAIRS:
        x = noise(2, 150_001, dtype, seed=a)
        one_shot = resample(x, a, b)
        assert one_shot.dtype == dtype
        assert torch.equal(one_shot, streamed(resample, x, a, b, [1, 777, 0, 4096, 60_007]))


@pytest.mark.parametrize(("a", "b"), [*WILD, (44100, 384000), (384000, 44100), (3, 1), (1, 3)])
@pytest.mark.parametrize("quality", ["quality", "exact"])
def test_streamed_is_one_shot_at_wild_ratios(quality: str, a: int, b: int) -> None:
    x = noise(1, 100_003)
    assert torch.equal(poly(quality)(x, a, b), streamed(poly(quality), x, a, b, [333, 50_000, 1]))


@each
def test_mono_equals_its_channel(resample: Resample) -> None:
    x = noise(6, 30_000).reshape(2, 3, 30_000)
    together = resample(x, 44100, 48000)
    assert together.shape == (2, 3, 32654)
    assert torch.equal(together[1, 2], resample(x[1, 2], 44100, 48000))


@each
def test_is_deterministic_and_keeps_its_input(resample: Resample) -> None:
    x, y = noise(1, 20_000, seed=1), noise(1, 20_000, seed=2)
    copy = x.clone()
    first = resample(x, 48000, 44100)
    resample(y, 48000, 44100)
    assert torch.equal(first, resample(x, 48000, 44100))
    assert torch.equal(x, copy)


@each
def test_results_of_two_calls_are_separate(resample: Resample) -> None:
    plan = resample.plan(44100, 48000)
    shape = plan.rows, plan.receptive_field + plan.block_in + plan.receptive_field
    windows = noise(2 * shape[0], shape[1]).reshape(2, *shape)
    first = plan.function(windows[0], 0)
    copy = first.clone()
    plan.function(windows[1], 0)
    assert torch.equal(first, copy)


@each
def test_silence_stays_exact(resample: Resample) -> None:
    for a, b in ((44100, 96000), (96000, 44100)):
        assert not resample(torch.zeros(2, 30_000), a, b).any()
        gap = noise(1, 120_000)
        gap[:, :20_000] = gap[:, 50_000:80_000] = gap[:, 100_000:] = 0
        out = resample(gap, a, b)
        receptive_field = resample.plan(a, b).receptive_field
        for begin, end in (
            (0, 20_000 - receptive_field),
            (50_000 + receptive_field, 80_000 - receptive_field),
            (100_000 + receptive_field, 120_000),
        ):
            assert not out[:, math.ceil(begin * b / a) : math.floor((end - 1) * b / a)].any()
        assert out[:, math.ceil(20_000 * b / a) : math.floor(49_000 * b / a)].all()


@each
def test_delay_is_0_and_the_kernel_symmetric(resample: Resample) -> None:
    x = torch.zeros(20_001, dtype=torch.float64)
    x[10_000] = 1
    for a, b in ((48000, 96000), (44100, 132300)):
        y, centre = resample(x, a, b), 10_000 * b // a
        assert int(y.argmax()) == centre
        assert torch.allclose(y[centre - 3000 : centre], y[centre + 1 : centre + 3001].flip(0), atol=1e-12)


@each_dsp
def test_delay_is_0_at_wild_ratios(resample: Resample) -> None:
    x = torch.zeros(12_000, dtype=torch.float64)
    x[4_001] = 1
    y = resample(x, 4_001, 4_000)
    t = torch.arange(len(y), dtype=torch.float64) * 4_001 / 4_000 - 4_001
    near = t.abs() < 1000
    assert abs(float((t * y)[near].sum() / y[near].sum())) < 1e-3


@each
def test_a_constant_keeps_its_level(resample: Resample) -> None:
    for a, b in ((44100, 96000), (192000, 48000), (48000, 384000)):
        out = resample(torch.full((40_000,), 0.5, dtype=torch.float64), a, b)
        assert (out[len(out) // 3 : -len(out) // 3] - 0.5).abs().max() < 2e-5


@each
def test_equal_rates_pass_through(resample: Resample) -> None:
    x = noise(2, 1000)
    assert torch.equal(resample(x, 44100, 44100), x)


@each
@pytest.mark.parametrize("rate", [0, -44100, 44100.5, "44100", None])
def test_a_bad_rate_is_refused(resample: Resample, rate: object) -> None:
    for pair in ((rate, 48000), (48000, rate)):
        with pytest.raises(UsageError, match="whole number of Hz"):
            resample(noise(1, 10), *pair)  # type: ignore[arg-type]


def test_integers_are_refused() -> None:
    with pytest.raises(UsageError, match="float32 or float64"):
        poly()(torch.zeros(1, 10, dtype=torch.int16), 44100, 48000)


@settings(max_examples=12, deadline=None)
@given(
    a=st.integers(8000, 384_000),
    b=st.integers(8000, 384_000),
    samples=st.integers(0, 20_000),
    sizes=st.lists(st.integers(1, 9000), min_size=1, max_size=5),
    quality=st.sampled_from(QUALITIES),
)
def test_any_rates_and_lengths(a: int, b: int, samples: int, sizes: list[int], quality: str) -> None:
    resample, x = poly(quality), noise(1, samples)
    out = resample(x, a, b)
    assert out.shape[-1] == -(-samples * b // a)
    assert bool(out.isfinite().all())
    assert torch.equal(torch.cat([out[:, :0], *resample.stream(cut(x, sizes), a, b)], -1), out)


@pytest.mark.parametrize(("a", "b"), [(655_349, 655_350), (8000, 655_350)])
def test_the_highest_rates(a: int, b: int) -> None:
    out = poly()(torch.ones(4000), a, b)
    assert (out[len(out) // 3 : -len(out) // 3] - 1).abs().max() < 1e-5


@pytest.mark.parametrize("quality", QUALITIES)
def test_a_call_stays_small(quality: str) -> None:
    for a, b in ((44100, 96000), (8000, 384_000), (384_000, 8000), (96000, 44100)):
        plan = poly(quality).plan(a, b)
        assert plan.rows * max(plan.block_in, plan.block_out) <= 400_000


def test_threads_do_not_disturb_each_other() -> None:
    from concurrent.futures import ThreadPoolExecutor

    resample, signals = poly(), [noise(1, 200_000, seed=i) for i in range(6)]
    alone = [resample(x, 44100, 48000) for x in signals]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda x: resample(x, 44100, 48000), signals))
    assert all(torch.equal(x, y) for x, y in zip(alone, together, strict=True))
