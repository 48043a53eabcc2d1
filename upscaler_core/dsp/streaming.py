"""The only place that cuts streams into windows and joins the results again.

A stream is an iterable of blocks `[channel, time]` of any lengths. `run` sends it through a `Plan`: a pure function on
windows of one fixed shape. `crossfade` sends it through a function whose receptive field is unbounded, in overlapping
chunks. Both cut on a grid that is fixed from sample 0, and call the function on shapes that follow from the stream's length
alone. So the result does not depend on how the stream was cut into blocks: a one-shot call is a stream of one block, and
gives the same bits.

    time ──►      0        B        2B       3B
    window 0  [r──┼────────┼──r]
    window 1           [r──┼────────┼──r]              B = block_in, r = receptive_field
    window 2                    [r──┼────────┼──r]

Silence is exact. Where the input is zero over the whole receptive field of an output sample, the output is zero, whatever
rounding noise an FFT left there.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

import torch
from torch import Tensor

from upscaler_core.dsp.plan import Plan
from upscaler_core.errors import UsageError

Stream = Iterable[Tensor]

MUTE_BLOCK = 65_536
"""Samples that `mute_silence` looks at in one step."""


def windows(stream: Stream, advance: int, left: int, right: int) -> Iterator[tuple[int, Tensor, int]]:
    """Cut a stream into windows of `left + advance + right` samples, each `advance` samples on from the one before.

    Yields:
        `(position, window [channel, left + advance + right], fresh)`: the stream index at which the window's advance
        begins; the samples, zero-padded beyond the ends; how many of the advance are real ones (fewer only at the end).
    """
    need = left + advance + right
    held: list[Tensor] = []
    size, position = left, 0  # samples held; how far the grid has come
    for block in stream:
        rest, held = block, held or [block.new_zeros(block.shape[0], left)]
        while rest.shape[-1]:
            held.append(rest[:, : need - size])
            rest, size = rest[:, need - size :], size + held[-1].shape[-1]
            if size == need:
                window = torch.cat(held, -1)
                yield position, window, advance
                position += advance
                held, size = [window[:, advance:]], left + right
    if not held:
        return
    buffer = torch.cat(held, -1)
    end = position + size - left
    while position < end:
        yield (
            position,
            torch.nn.functional.pad(buffer, (0, need - buffer.shape[-1]))[:, :need],
            min(advance, end - position),
        )
        buffer = buffer[:, advance:]
        position += advance


def run(plan: Plan, stream: Stream, *, joint: bool = False, out: Tensor | None = None) -> Iterator[Tensor]:
    """Send a stream through a plan.

    Args:
        plan: the windowed function.
        stream: blocks `[channel, time]`, at the plan's input rate.
        joint: the function's rows are the channels of one window (a finisher), not windows of one channel.
        out: `[channel, time]`, where to compute the result of a resampler; blocks are views of it, but for the last one,
            which need not fit.

    Yields:
        Blocks `[channel, time]`; in all `ceil(n * block_out / block_in)` samples from n.
    """
    step, reach = plan.block_in, plan.receptive_field
    rows = 1 if joint else plan.rows
    for position, flat, fresh in windows(stream, step * rows, reach, reach):
        start = position // step * plan.block_out
        end = start + rows * plan.block_out
        if joint:
            block = plan.function(flat, start)
        else:
            if out is not None and end <= out.shape[-1]:
                block = out[:, start:end]
            else:
                block = flat.new_empty(flat.shape[0], end - start)
            tiles = flat.unfold(-1, reach + step + reach, step)
            for row, channel in zip(block.unfold(-1, plan.block_out, plan.block_out), tiles, strict=True):
                row.copy_(plan.function(channel, start))
        block = block[:, : math.ceil(fresh * Fraction(plan.block_out, step))]
        silence(block, flat[:, : fresh + 2 * reach], plan)
        yield block


def silence(out: Tensor, flat: Tensor, plan: Plan) -> None:
    """Zero in place what stands over exact silence.

    `flat` `[channel, reach + n + reach]` is the input under `out` `[channel, time]`; an output sample becomes zero where
    its whole reach holds only zeros.
    """
    # A run of zeros longer than two reaches holds three whole aligned pieces of half a reach (what is padded before the
    # first sample holds two): look for those first. Few pieces even begin with a zero, so that is cheap.
    piece = max(1, plan.receptive_field // 2)
    pieces = flat[:, : flat.shape[-1] // piece * piece].unfold(-1, piece, piece)
    quiet = pieces[..., 0] == 0
    if not bool(quiet.any()):
        return
    quiet[quiet.clone()] = (pieces[quiet] == 0).all(-1)
    if plan.receptive_field and not bool((quiet[:, 2:] & quiet[:, 1:-1] & quiet[:, :-2]).any()):
        return
    count = torch.nn.functional.pad((flat != 0).cumsum(-1, dtype=torch.int32), (1, 0))
    # Output sample n stands n*block_in/block_out samples after the first reach, between two whole ones or on one.
    n = torch.arange(out.shape[-1]) * plan.block_in
    first = n // plan.block_out
    last = -(-n // plan.block_out) + 2 * plan.receptive_field
    sounding = count[:, (last + 1).clamp(max=flat.shape[-1])] - count[:, first]
    out[sounding == 0] = 0


def crossfade(
    function: Callable[[Tensor, int], Tensor],
    stream: Stream,
    *,
    samples: int,
    overlap: int,
    context: int,
    length_multiple: int = 1,
    rows: int = 1,
) -> Iterator[Tensor]:
    """Send a stream through a function of unbounded reach: chunks that overlap, joined by linear fades.

    Each chunk is computed with `context` samples more on both sides, which are thrown away.

    Args:
        function: `(windows [rows, context + samples + context], start) -> the same shape`; `start` is the stream index
            of the first window's first sample.
        stream: blocks `[channel, time]`.
        samples: chunk length; 96,000 in the white paper (§6.2).
        overlap: samples shared by neighbouring chunks, at most half of one; 4,800 in the white paper.
        context: samples on each side that are computed and thrown away. (`chunking` fits all three to a length_multiple.)
        length_multiple: windows are multiples of it. The last one is shorter where the stream ends early.
        rows: windows in each call.

    Yields:
        Blocks `[channel, time]`, as many samples as came in.
    """
    stride = samples - overlap
    ramp = (torch.arange(overlap, dtype=torch.float64) + 0.5) / max(1, overlap)
    tail: Tensor | None = None
    # Chunk k covers [k*stride, k*stride + samples): one stride, and the overlap with the next chunk.
    span = context + samples + context
    for position, flat, fresh in windows(stream, rows * stride, context, overlap + context):
        whole, rest = divmod(fresh, stride)
        batches = [(0, flat[:, : span + (whole - 1) * stride].unfold(-1, span, stride))] if whole else []
        if rest:  # the stream ends early in its last chunk
            size = 2 * context + -(-max(rest, overlap) // length_multiple) * length_multiple
            batches.append((whole * stride, flat[:, None, whole * stride :][..., :size]))
        for place, tiles in batches:
            computed = torch.stack([function(channel, position + place - context) for channel in tiles])
            for row, chunk in enumerate(computed[..., context : -context or None].unbind(1)):
                start, up = place + row * stride, ramp.to(chunk.dtype)
                if tail is not None:
                    chunk = torch.cat([chunk[:, :overlap] * up + tail, chunk[:, overlap:]], -1)
                fading = chunk[:, stride:]
                tail = fading * (1 - up[: fading.shape[-1]])
                body = chunk[:, : min(stride, fresh - start)]
                silence(body, flat[:, start:], Plan(function, stride, stride, context))
                yield body


def chunking(samples: int, overlap: int, context: int, length_multiple: int) -> tuple[int, int, int]:
    """Fit (chunk, overlap, context) to a length multiple.

    Chunk and context grow to multiples of it, and the overlap grows until the stride is one.

    >>> chunking(96_000, 4_800, 24_000, 256)
    (96000, 4864, 24064)

    Raises:
        UsageError: more than half of a chunk would overlap.
    """
    samples, context = (
        -(-samples // length_multiple) * length_multiple,
        -(-context // length_multiple) * length_multiple,
    )
    stride = (samples - overlap) // length_multiple * length_multiple
    if not 0 <= samples - stride <= samples // 2:
        raise UsageError(
            f"chunk.overlap of {overlap} samples leaves no room in chunks of {samples}: at most half of chunk.samples"
        )
    return samples, samples - stride, context


def mute_silence(stream: Stream, reference: Stream, receptive_field: int) -> Iterator[Tensor]:
    """Zero a stream where a reference of the same shape is exactly silent for `receptive_field` samples on both sides."""
    plan = Plan(lambda flat, _: flat, MUTE_BLOCK, MUTE_BLOCK, receptive_field)
    both = zip_blocks(lambda a, b: torch.cat([a, b]), stream, reference)
    for _, flat, fresh in windows(both, MUTE_BLOCK, receptive_field, receptive_field):
        channels = flat.shape[0] // 2
        out = flat[:channels, receptive_field : receptive_field + fresh].clone()
        silence(out, flat[channels:], plan)
        yield out


def zip_blocks(function: Callable[[Tensor, Tensor], Tensor], first: Stream, second: Stream) -> Iterator[Tensor]:
    """Join two streams of one length sample by sample: `function(a, b)` on blocks cut to equal lengths.

    The shorter one ends the result. Each stream is drawn only when the other one waits for it.
    """
    streams = iter(first), iter(second)
    held: list[Tensor | None] = [None, None]
    while True:
        for i in (0, 1):
            while (block := held[i]) is None or not block.shape[-1]:
                if (fetched := next(streams[i], None)) is None:
                    return
                held[i] = fetched
        a, b = (block for block in held if block is not None)
        size = min(a.shape[-1], b.shape[-1])
        yield function(a[:, :size], b[:, :size])
        held = [a[:, size:], b[:, size:]]


def tee(stream: Stream) -> tuple[Iterator[Tensor], Iterator[Tensor]]:
    """Two readers of one stream; a block is let go as soon as both have it (`itertools.tee` keeps up to 57 more)."""
    source = iter(stream)
    waiting: tuple[deque[Tensor], deque[Tensor]] = deque(), deque()

    def reader(mine: deque[Tensor], other: deque[Tensor]) -> Iterator[Tensor]:
        while True:
            if mine:
                yield mine.popleft()
            elif (block := next(source, None)) is not None:
                other.append(block)
                yield block
            else:
                return

    return reader(*waiting), reader(*waiting[::-1])


def peek(stream: Stream, samples: int) -> tuple[list[Tensor], Iterator[Tensor]]:
    """Read at least `samples` samples (fewer only at the end): `(those blocks, the whole stream again)`."""
    rest = iter(stream)
    blocks: list[Tensor] = []
    size = 0
    while size < samples and (block := next(rest, None)) is not None:
        blocks.append(block)
        size += block.shape[-1]
    return blocks, itertools.chain(blocks, rest)
