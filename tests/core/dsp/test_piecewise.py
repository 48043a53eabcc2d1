"""Pieces of a stream by different functions: the definition, the joints, the blocks and the memory."""

import weakref

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from upscaler_core import Plan
from upscaler_core.dsp.piecewise import Piece, nothing, piecewise
from upscaler_core.dsp.streaming import run
from upscaler_core.testing import signals
from upscaler_core.testing.signals import decibels

FIELD = 5


def joined(stream):
    blocks = list(stream)
    return torch.cat(blocks, -1) if blocks else torch.empty(2, 0)


def cut(x, sizes):
    """The signal in blocks of these sizes, again and again."""
    ends = torch.tensor(sizes * (x.shape[-1] // sum(sizes) + 1)).cumsum(0)
    return x.tensor_split(ends[ends < x.shape[-1]], -1)


def smoothed(gain):
    """The sum over a receptive field of 5 samples on each side, times a gain."""
    plan = Plan(lambda w, start: gain * w.unfold(-1, 2 * FIELD + 1, 1).sum(-1), 16, 16, FIELD)
    return lambda stretch, start: run(plan, stretch)


def naive(x, pieces, fade):
    """The definition: every function on the complete signal, and the sum of the results by their weights."""
    t = torch.arange(x.shape[-1], dtype=torch.float64) + 0.5

    def rise(start):
        phase = ((t - start) / fade + 0.5).clamp(0, 1)
        return torch.sin(torch.pi / 2 * phase) ** 2

    rises = [torch.ones_like(t), *(rise(piece.start) for piece in pieces[1:]), torch.zeros_like(t)]
    results = [joined(piece.function([x], 0)) for piece in pieces]
    return sum((up - down) * result for up, down, result in zip(rises, rises[1:], results, strict=False))


@settings(max_examples=60, deadline=None)
@given(
    length=st.integers(1, 500),
    lengths=st.lists(st.integers(0, 120), max_size=6),
    sizes=st.lists(st.integers(1, 90), min_size=1, max_size=20),
    multiple=st.sampled_from([1, 7]),
)
def test_it_is_the_weighted_sum_of_what_the_functions_make_of_the_complete_signal(length, lengths, sizes, multiple):
    x, fade = signals.noise((2, length)), 20
    starts = torch.tensor([0, *lengths]).cumsum(0).tolist()  # some beyond the end, some closer than a fade
    pieces = [Piece(start, nothing if k % 3 == 2 else smoothed(1 + k)) for k, start in enumerate(starts)]
    out = joined(piecewise([x], pieces, margin=FIELD, fade=fade, length_multiple=multiple))
    expected = naive(x, pieces, fade)
    assert out.shape == x.shape
    assert (out - expected).abs().max() < 1e-5
    blocks = piecewise(cut(x, sizes), pieces, margin=FIELD, fade=fade, length_multiple=multiple)
    assert torch.equal(out, joined(blocks))


def test_equal_functions_leave_no_trace_of_the_pieces():
    x = signals.noise((1, 5_000))
    pieces = [Piece(start, smoothed(1)) for start in (0, 1_000, 1_010, 4_000)]
    out, whole = joined(piecewise([x], pieces, margin=FIELD, fade=100)), joined(smoothed(1)([x], 0))
    assert decibels(out - whole, whole) < -130


def test_a_single_piece_gets_the_stream_as_it_is():
    blocks = [torch.ones(1, 3), torch.zeros(1, 4)]
    seen = list(piecewise(blocks, [Piece(0, lambda stretch, start: stretch)], margin=9, fade=4))
    assert all(a is b for a, b in zip(seen, blocks, strict=True))


def test_functions_are_told_where_their_stretches_start():
    ramp = torch.arange(900.0)[None]

    def check(stretch, start):
        (first, *rest) = list(stretch)
        starts.append((start, float(first[0, 0])))
        return [first, *rest]

    starts = []
    pieces = [Piece(start, check) for start in (0, 301, 600)]
    out = joined(piecewise(ramp.split(70, -1), pieces, margin=10, fade=8, length_multiple=4))
    assert torch.allclose(out, ramp)
    assert starts == [(0, 0), (284, 284), (584, 584)]


def test_a_function_reads_no_more_than_its_stretch():
    read = []

    def count(stretch, start):
        for block in stretch:
            read[-1] += block.shape[-1]
            yield block

    def counted(stretch, start):
        read.append(0)
        return count(stretch, start)

    pieces = [Piece(0, nothing), Piece(500, counted), Piece(700, nothing)]
    joined(piecewise([torch.ones(1, 100_000)], pieces, margin=10, fade=8))
    assert read == [10 + 8 + 192 + 8 + 10]


def test_a_function_need_not_read_beyond_its_last_sample():
    def exactly(stretch, start):
        blocks, size = iter(stretch), 0
        while size < 500 + 4 + FIELD:
            yield (block := next(blocks))
            size += block.shape[-1]

    pieces = [Piece(0, exactly), Piece(500, smoothed(1))]
    out = joined(piecewise(torch.ones(1, 1_000).split(10, -1), pieces, margin=FIELD, fade=8))
    assert out.shape[-1] == 1_000
    assert out[0, 504:-FIELD].unique().tolist() == [11.0]


def test_of_the_stream_only_what_stretches_share_is_kept():
    alive = []

    def blocks():
        for _ in range(1_000):
            block = torch.ones(1, 100)
            alive.append(weakref.ref(block))
            yield block

    most = 0
    pieces = [Piece(20_000 * k, smoothed(k) if k % 2 else nothing) for k in range(5)]
    for _ in piecewise(blocks(), pieces, margin=200, fade=100):
        most = max(most, sum(ref() is not None for ref in alive))
    assert most <= 15


def test_silence_stays_silent():
    x = signals.noise((1, 1_000))
    x[:, 300:700] = 0
    out = joined(piecewise([x], [Piece(0, smoothed(1)), Piece(500, smoothed(2))], margin=FIELD, fade=40))
    assert not out[:, 300 + FIELD : 700 - FIELD].any()
    assert out[:, : 300 - FIELD].abs().min() > 0
