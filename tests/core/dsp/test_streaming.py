"""Windows, cross-fades and joins: streamed equals one-shot, lengths are exact, silence stays silent."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from upscaler_core import Plan, UsageError
from upscaler_core.dsp.filters import highpass_plan
from upscaler_core.dsp.streaming import chunking, crossfade, mute_silence, peek, run, zip_blocks
from upscaler_core.testing import signals
from upscaler_core.testing.signals import decibels


def joined(stream):
    blocks = list(stream)
    return torch.cat(blocks, -1) if blocks else torch.empty(1, 0)


def cut(x, sizes):
    blocks, start = [], 0
    for size in sizes * (x.shape[-1] // sum(sizes) + 1):
        blocks.append(x[:, start : start + size])
        start += size
    return [*blocks, x[:, start:]]


def triple(windows, start):
    """3 output samples for 2 input samples, each the sum over a receptive field of 5."""
    sums = windows.unfold(-1, 11, 1).sum(-1)[:, :14]
    index = torch.arange(3 * 7) * 2 // 3
    return sums[:, index]


PLAN = Plan(triple, block_in=14, block_out=21, receptive_field=5, rows=3)

sizes = st.lists(st.integers(0, 60), min_size=1, max_size=8).filter(lambda s: sum(s) > 0)


@settings(max_examples=40, deadline=None)
@given(length=st.integers(0, 400), sizes=sizes)
def test_run_does_not_depend_on_the_blocks_and_has_the_right_length(length, sizes):
    x = signals.noise((2, length))
    one_shot = joined(run(PLAN, [x]))
    assert one_shot.shape[-1] == -(-length * 3 // 2)
    assert torch.equal(one_shot, joined(run(PLAN, cut(x, sizes)))) or length == 0


def test_run_equals_the_definition():
    x = signals.noise((1, 100))
    padded = torch.nn.functional.pad(x, (5, 30))[0]
    expected = torch.stack([padded[n * 2 // 3 : n * 2 // 3 + 11].sum() for n in range(150)])
    assert decibels(joined(run(PLAN, [x]))[0] - expected, expected) < -130


def test_start_is_the_first_output_sample():
    plan = Plan(lambda w, start: start + torch.arange(w.shape[0] * 21.0).reshape(w.shape[0], 21), 14, 21, 5, rows=3)
    out = joined(run(plan, [torch.ones(1, 1000)]))
    assert torch.equal(out[0], torch.arange(1500.0))


def test_every_call_has_the_same_shape():
    shapes = set()

    def spy(windows, start):
        shapes.add(tuple(windows.shape))
        return triple(windows, start)

    for length in (0, 1, 13, 500):
        joined(run(Plan(spy, 14, 21, 5, 3), [signals.noise((2, length))]))
    assert shapes == {(3, 24)}


def test_rows_of_a_joint_plan_are_channels():
    plan = Plan(lambda w, start: w[:, 2:-2] / w.abs().amax(0)[2:-2], 50, 50, 2)
    x = signals.noise((3, 777))
    assert torch.allclose(joined(run(plan, [x], joint=True)), x / x.abs().amax(0))


def test_silence_is_exact_and_only_where_the_complete_receptive_field_is_silent():
    leaky = Plan(lambda w, start: w[:, 5:-5] + 1e-8, 14, 14, 5, rows=2)
    x = signals.noise((1, 1000))
    x[:, 300:600] = 0
    out = joined(run(leaky, [x]))[0]
    assert not out[305:595].any()
    assert out[:305].all() and out[595:].all()


def test_crossfade_of_the_identity_is_the_identity():
    x = signals.noise((2, 30_000))
    out = joined(crossfade(lambda w, start: w, [x], samples=4096, overlap=1024, context=512))
    assert out.shape == x.shape
    assert decibels(out - x, x) < -130


@settings(max_examples=15, deadline=None)
@given(length=st.integers(1, 9000), sizes=sizes, rows=st.integers(1, 3))
def test_crossfade_does_not_depend_on_blocks_or_batch(length, sizes, rows):
    x = signals.noise((1, length))

    def level(windows, start):  # unbounded: depends on the complete window
        return windows * windows.square().mean(-1, keepdim=True)

    def go(blocks, rows):
        return joined(crossfade(level, blocks, samples=1024, overlap=256, context=128, rows=rows))

    assert torch.equal(go([x], 1), go(cut(x, [s * 40 for s in sizes]), rows))


def test_crossfade_is_linear_between_two_chunks():
    values = iter(range(100))
    blocks = crossfade(
        lambda w, s: torch.full_like(w, next(values)), [torch.ones(1, 300)], samples=100, overlap=50, context=0
    )
    out = joined(blocks)
    ramp = (torch.arange(50) + 0.5) / 50
    assert torch.allclose(out[0, 50:100], ramp)
    assert torch.allclose(out[0, 100:150], 1 + ramp)


def test_crossfade_passes_the_start_of_windows():
    starts = []
    joined(crossfade(lambda w, s: starts.append(s) or w, [torch.ones(1, 300)], samples=100, overlap=20, context=30))
    assert starts == [-30, 50, 130, 210]


@pytest.mark.parametrize("length", [1, 79, 81, 300, 400])
def test_a_short_end_is_a_short_window(length):
    """The number of computed samples is the cost of a stream of a few seconds."""
    lengths = []
    blocks = crossfade(
        lambda w, s: lengths.append(w.shape[-1]) or w,
        [torch.ones(1, length)],
        samples=100,
        overlap=20,
        context=30,
        length_multiple=10,
    )
    assert joined(blocks).shape[-1] == length
    *full, last = lengths
    assert full == [160] * len(full)
    rest = (length - 1) % 80 + 1
    assert last == (160 if rest == 80 else 60 + max(20, -(-rest // 10) * 10))


def test_chunking_refuses_more_than_half():
    assert chunking(96_000, 4_800, 24_000, 256) == (96_000, 4_864, 24_064)
    with pytest.raises(UsageError, match="at most half"):
        chunking(1000, 600, 0, 1)


def test_zip_blocks_joins_streams_of_different_blocks():
    x, y = signals.noise((1, 1000)), signals.noise((1, 1000), seed=1)
    assert torch.equal(joined(zip_blocks(torch.add, cut(x, [7, 300]), cut(y, [11]))), x + y)


def test_peek_returns_the_complete_stream():
    x = signals.noise((1, 1000))
    blocks, stream = peek(cut(x, [100]), 250)
    assert sum(b.shape[-1] for b in blocks) == 300
    assert torch.equal(joined(stream), x)


def test_mute_silence_follows_the_reference():
    x, reference = torch.ones(2, 500), torch.ones(2, 500)
    reference[0, 100:200] = 0
    out = joined(mute_silence([x], [reference], receptive_field=10))
    assert (out[0] == 0).nonzero().flatten().tolist() == list(range(110, 190))
    assert out[1].all()


@pytest.mark.parametrize("cutoff", [300.0, 4_000.0, 11_000.0, 23_900.0])
def test_highpass_passes_and_stops(cutoff):
    plan = highpass_plan(48_000, cutoff)
    for frequency in (100.0, 1_000.0, 8_000.0, 15_000.0, 23_000.0):
        if abs(frequency - cutoff) < 200:
            continue
        x = signals.tone(frequency, 48_000, 48_000, dtype=torch.float64)[None]
        out = joined(run(plan, [x]))
        inner = slice(10_000, 38_000)
        if frequency > cutoff:
            assert decibels((out - x)[:, inner], x[:, inner]) < -95
        else:
            assert decibels(out[:, inner], x[:, inner]) < -95


def test_highpass_is_half_at_the_cutoff():
    x = signals.tone(8_000, 48_000, 48_000, dtype=torch.float64)[None]
    out = joined(run(highpass_plan(48_000, 8_000), [x]))[:, 10_000:38_000]
    assert abs(decibels(out, x[:, 10_000:38_000]) + 6.02) < 0.01
