"""Cuts streams into windows and joins the results again. Nothing else does this.

A stream is an iterable of blocks `[channel, time]` of any lengths. `run` applies a `Plan` to it: a pure function on windows
of one fixed shape. `crossfade` applies a function whose receptive field is unbounded, in overlapping chunks. Both cut on a
grid that is fixed from sample 0, and call the function on shapes that depend only on the stream's length. So the result does
not depend on how the stream was cut into blocks: a one-shot call is a stream of one block, and gives the same bits.

    time ──►      0        B        2B       3B
    window 0  [r──┼────────┼──r]
    window 1           [r──┼────────┼──r]              B = block_in, r = receptive_field
    window 2                    [r──┼────────┼──r]

Silence is exact. Where the input is zero over the complete receptive field of an output sample, the output is zero, even if
an FFT left rounding noise there.
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
"""Samples that `mute_silence` processes in one step."""


def windows(stream: Stream, advance: int, before: int, after: int) -> Iterator[tuple[int, Tensor, int]]:
    """Cut a stream into windows of `before + advance + after` samples, each `advance` samples later than the last.

    Yields:
        `(position, window [channel, before + advance + after], fresh)`: `position` is the stream index at which the
        window's advance begins. The window is zero-padded beyond the stream's ends. `fresh` is the number of samples of
        the advance that the stream really has; it is less than `advance` only at the end.
    """
    window_size = before + advance + after
    parts: list[Tensor] = []
    size, position = before, 0  # samples in the parts; position on the grid
    for block in stream:
        rest, parts = block, parts or [block.new_zeros(block.shape[0], before)]
        while rest.shape[-1]:
            parts.append(rest[:, : window_size - size])
            rest, size = rest[:, window_size - size :], size + parts[-1].shape[-1]
            if size == window_size:
                window = torch.cat(parts, -1)
                yield position, window, advance
                position += advance
                parts, size = [window[:, advance:]], before + after
    if not parts:
        return
    buffer = torch.cat(parts, -1)
    end = position + size - before
    while position < end:
        window = torch.nn.functional.pad(buffer, (0, window_size - buffer.shape[-1]))[:, :window_size]
        yield position, window, min(advance, end - position)
        buffer = buffer[:, advance:]
        position += advance


def run(plan: Plan, stream: Stream, *, joint: bool = False, out: Tensor | None = None) -> Iterator[Tensor]:
    """Apply a plan to a stream.

    Args:
        plan: the windowed function.
        stream: blocks `[channel, time]`, at the plan's input rate.
        joint: the function's rows are the channels of one window (a finisher), not windows of one channel.
        out: `[channel, time]`, memory for the result of a resampler. Blocks are views of it, except the last one, which may
            not fit.

    Yields:
        Blocks `[channel, time]`, in total `ceil(n * block_out / block_in)` samples for n input samples.
    """
    step, receptive_field = plan.block_in, plan.receptive_field
    rows = 1 if joint else plan.rows
    for position, flat, fresh in windows(stream, step * rows, receptive_field, receptive_field):
        start = position // step * plan.block_out
        end = start + rows * plan.block_out
        if joint:
            block = plan.function(flat, start)
        else:
            if out is not None and end <= out.shape[-1]:
                block = out[:, start:end]
            else:
                block = flat.new_empty(flat.shape[0], end - start)
            tiles = flat.unfold(-1, receptive_field + step + receptive_field, step)
            for row, channel in zip(block.unfold(-1, plan.block_out, plan.block_out), tiles, strict=True):
                row.copy_(plan.function(channel, start))
        block = block[:, : math.ceil(fresh * Fraction(plan.block_out, step))]
        zero_silence(block, flat[:, : fresh + 2 * receptive_field], plan)
        yield block


def zero_silence(out: Tensor, flat: Tensor, plan: Plan) -> None:
    """Set output samples to zero, in place, where their complete receptive field is exactly silent.

    Args:
        out: output of the plan's function, `[channel, time]`.
        flat: the input that it was computed from, `[channel, receptive_field + n + receptive_field]`.
        plan: has the receptive field, and the ratio of the two sample rates.
    """
    # A run of zeros that is longer than two receptive fields contains three aligned pieces of half a receptive field. (The
    # padding before the first sample contains two.) So search for those first. It is cheap: few pieces begin with a zero.
    piece = max(1, plan.receptive_field // 2)
    pieces = flat[:, : flat.shape[-1] // piece * piece].unfold(-1, piece, piece)
    quiet = pieces[..., 0] == 0
    if not bool(quiet.any()):
        return
    quiet[quiet.clone()] = (pieces[quiet] == 0).all(-1)
    if plan.receptive_field and not bool((quiet[:, 2:] & quiet[:, 1:-1] & quiet[:, :-2]).any()):
        return
    count = torch.nn.functional.pad((flat != 0).cumsum(-1, dtype=torch.int32), (1, 0))
    # Output sample n is at n*block_in/block_out samples after the first receptive field, on an input sample or between two.
    n = torch.arange(out.shape[-1]) * plan.block_in
    first = n // plan.block_out
    last = -(-n // plan.block_out) + 2 * plan.receptive_field
    nonzero = count[:, (last + 1).clamp(max=flat.shape[-1])] - count[:, first]
    out[nonzero == 0] = 0


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
    """Apply a function of unbounded receptive field to a stream, in overlapping chunks that are joined by linear fades.

    Each chunk is computed with `context` more samples on both sides, which are discarded.

    Args:
        function: `(windows [rows, context + samples + context], start) -> the same shape`; `start` is the stream index
            of the first window's first sample.
        stream: blocks `[channel, time]`.
        samples: chunk length; 96,000 in the white paper (§6.2).
        overlap: samples shared by neighbouring chunks, at most half of one; 4,800 in the white paper.
        context: samples on each side that are computed and discarded. (`chunking` fits all three to a length_multiple.)
        length_multiple: the length of every window is a multiple of it. The last window is shorter if the stream ends early.
        rows: windows in each call.

    Yields:
        Blocks `[channel, time]`, in total as many samples as the stream has.
    """
    stride = samples - overlap
    ramp = (torch.arange(overlap, dtype=torch.float64) + 0.5) / max(1, overlap)
    tail: Tensor | None = None
    # Chunk k is [k*stride, k*stride + samples): one stride, and the overlap with the next chunk.
    window_size = context + samples + context
    for position, flat, fresh in windows(stream, rows * stride, context, overlap + context):
        full, rest = divmod(fresh, stride)
        batches = [(0, flat[:, : window_size + (full - 1) * stride].unfold(-1, window_size, stride))] if full else []
        if rest:  # the stream ends early in its last chunk
            last_size = 2 * context + -(-max(rest, overlap) // length_multiple) * length_multiple
            batches.append((full * stride, flat[:, None, full * stride :][..., :last_size]))
        for offset, tiles in batches:
            outputs = torch.stack([function(channel, position + offset - context) for channel in tiles])
            for row, chunk in enumerate(outputs[..., context : -context or None].unbind(1)):
                start, fade_in = offset + row * stride, ramp.to(chunk.dtype)
                if tail is not None:
                    chunk = torch.cat([chunk[:, :overlap] * fade_in + tail, chunk[:, overlap:]], -1)
                fading = chunk[:, stride:]
                tail = fading * (1 - fade_in[: fading.shape[-1]])
                body = chunk[:, : min(stride, fresh - start)]
                zero_silence(body, flat[:, start:], Plan(function, stride, stride, context))
                yield body


def chunking(samples: int, overlap: int, context: int, length_multiple: int) -> tuple[int, int, int]:
    """Fit (chunk, overlap, context), all in samples, to a length multiple.

    Chunk and context are rounded up to multiples of it, and the overlap grows until the stride is a multiple, too.

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
    """Set a stream to zero where a reference of its shape is exactly silent for `receptive_field` samples on both sides."""
    plan = Plan(lambda flat, _: flat, MUTE_BLOCK, MUTE_BLOCK, receptive_field)
    pairs = zip_blocks(lambda a, b: torch.cat([a, b]), stream, reference)
    for _, flat, fresh in windows(pairs, MUTE_BLOCK, receptive_field, receptive_field):
        channels = flat.shape[0] // 2
        out = flat[:channels, receptive_field : receptive_field + fresh].clone()
        zero_silence(out, flat[channels:], plan)
        yield out


def zip_blocks(function: Callable[[Tensor, Tensor], Tensor], first: Stream, second: Stream) -> Iterator[Tensor]:
    """Combine two streams of the same length: `function(a, b)` of blocks that are cut to equal lengths.

    The result ends with the shorter stream. Each stream is read only when the next block needs it.
    """
    streams = iter(first), iter(second)
    pending: list[Tensor | None] = [None, None]
    while True:
        for i in (0, 1):
            while (block := pending[i]) is None or not block.shape[-1]:
                if (fetched := next(streams[i], None)) is None:
                    return
                pending[i] = fetched
        a, b = (block for block in pending if block is not None)
        size = min(a.shape[-1], b.shape[-1])
        yield function(a[:, :size], b[:, :size])
        pending = [a[:, size:], b[:, size:]]


def tee(stream: Stream) -> tuple[Iterator[Tensor], Iterator[Tensor]]:
    """Two readers of one stream. A block is freed as soon as both have read it (`itertools.tee` keeps up to 57 more)."""
    source = iter(stream)
    queues: tuple[deque[Tensor], deque[Tensor]] = deque(), deque()

    def reader(own: deque[Tensor], other: deque[Tensor]) -> Iterator[Tensor]:
        while True:
            if own:
                yield own.popleft()
            elif (block := next(source, None)) is not None:
                other.append(block)
                yield block
            else:
                return

    return reader(*queues), reader(*queues[::-1])


def peek(stream: Stream, samples: int) -> tuple[list[Tensor], Iterator[Tensor]]:
    """Read at least `samples` samples (fewer only at the end): `(their blocks, the complete stream again)`."""
    rest = iter(stream)
    blocks: list[Tensor] = []
    size = 0
    while size < samples and (block := next(rest, None)) is not None:
        blocks.append(block)
        size += block.shape[-1]
    return blocks, itertools.chain(blocks, rest)
