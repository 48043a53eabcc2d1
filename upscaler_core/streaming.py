"""The only place that cuts streams into windows and joins the results again.

A stream is an iterable of blocks `[channel, time]`, of any lengths. `run` sends it through a `Plan` (a pure function on
windows of one fixed shape), `crossfade` through a function of unbounded reach in overlapping chunks. Both cut on a grid
fixed from sample 0 and call the function on shapes that follow from the stream's length alone, so the result does not
depend on how the stream was blocked: a one-shot call is a stream of one block, bit for bit.

    time ──►      0        B        2B       3B
    window 0  [r──┼────────┼──r]
    window 1           [r──┼────────┼──r]              B = block_in, r = reach
    window 2                    [r──┼────────┼──r]

Silence is exact: where the input is zero over the whole reach of an output sample, the output is zero, whatever rounding
noise an FFT left there.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from upscaler_core.errors import UsageError
from upscaler_core.protocols import Plan, Resampler

Stream = Iterable[Tensor]

HUSH_BLOCK = 65_536


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
    step, reach = plan.block_in, plan.reach
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
    piece = max(1, plan.reach // 2)
    pieces = flat[:, : flat.shape[-1] // piece * piece].unfold(-1, piece, piece)
    quiet = pieces[..., 0] == 0
    if not bool(quiet.any()):
        return
    quiet[quiet.clone()] = (pieces[quiet] == 0).all(-1)
    if plan.reach and not bool((quiet[:, 2:] & quiet[:, 1:-1] & quiet[:, :-2]).any()):
        return
    count = torch.nn.functional.pad((flat != 0).cumsum(-1, dtype=torch.int32), (1, 0))
    # Output sample n stands n*block_in/block_out samples after the first reach, between two whole ones or on one.
    n = torch.arange(out.shape[-1]) * plan.block_in
    first = n // plan.block_out
    last = -(-n // plan.block_out) + 2 * plan.reach
    sounding = count[:, (last + 1).clamp(max=flat.shape[-1])] - count[:, first]
    out[sounding == 0] = 0


def crossfade(
    function: Callable[[Tensor, int], Tensor],
    stream: Stream,
    *,
    samples: int,
    overlap: int,
    context: int,
    granule: int = 1,
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
        context: samples on each side that are computed and thrown away. (`chunking` fits all three to a granule.)
        granule: windows are multiples of it. The last one is shorter where the stream ends early.
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
            size = 2 * context + -(-max(rest, overlap) // granule) * granule
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


def chunking(samples: int, overlap: int, context: int, granule: int) -> tuple[int, int, int]:
    """Fit (chunk, overlap, context) to a granule: chunk and context grow to multiples of it, and the overlap grows until
    the stride is one.

    >>> chunking(96_000, 4_800, 24_000, 256)
    (96000, 4864, 24064)

    Raises:
        UsageError: more than half of a chunk would overlap.
    """
    samples, context = -(-samples // granule) * granule, -(-context // granule) * granule
    stride = (samples - overlap) // granule * granule
    if not 0 <= samples - stride <= samples // 2:
        raise UsageError(
            f"chunk.overlap of {overlap} samples leaves no room in chunks of {samples}: at most half of chunk.samples"
        )
    return samples, samples - stride, context


def hush(stream: Stream, reference: Stream, reach: int) -> Iterator[Tensor]:
    """Zero a stream where a reference of the same shape is exactly silent for `reach` samples on both sides."""
    plan = Plan(lambda flat, _: flat, HUSH_BLOCK, HUSH_BLOCK, reach)
    both = combine(lambda a, b: torch.cat([a, b]), stream, reference)
    for _, flat, fresh in windows(both, HUSH_BLOCK, reach, reach):
        channels = flat.shape[0] // 2
        out = flat[:channels, reach : reach + fresh].clone()
        silence(out, flat[channels:], plan)
        yield out


class Resample:
    """A resampler on whole signals and on streams; what `discover().resampler(name)` returns.

    Shape:
        `[batch, channel, time]` (or fewer leading dimensions) -> the same with `ceil(time * rate_out / rate_in)`
        samples; float32 or float64, kept.
    """

    def __init__(self, resampler: Resampler) -> None:
        self.resampler = resampler
        self._plans: dict[tuple[int, int], Plan] = {}

    def plan(self, rate_in: int, rate_out: int) -> Plan:
        """The plan for a pair of rates in Hz, made once."""
        pair = (_rate(rate_in), _rate(rate_out))
        if pair not in self._plans:
            self._plans[pair] = self.resampler.plan(*pair)
        return self._plans[pair]

    def __call__(self, x: Tensor, rate_in: int, rate_out: int) -> Tensor:
        """Resample a whole signal; the same bits as the stream gives."""
        if not x.is_floating_point() or x.dtype not in (torch.float32, torch.float64):
            raise UsageError(f"audio must be float32 or float64 at full scale ±1.0, not {x.dtype}")
        flat = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
        if rate_in == rate_out or not x.numel():
            return x.clone()
        # Computed in place: holding all blocks to join them at the end would double memory. Made by numpy, because it
        # asks for huge pages: touching small ones for the first time can take as long as resampling.
        size = flat.shape[0], -(-x.shape[-1] * _rate(rate_out) // _rate(rate_in))
        out = torch.from_numpy(np.empty(size, np.float32 if x.dtype == torch.float32 else np.float64))
        for block in run(self.plan(rate_in, rate_out), [flat], out=out):
            last = block
        out[:, size[1] - last.shape[-1] :] = last
        return out.reshape(*x.shape[:-1], out.shape[-1])

    def stream(self, stream: Stream, rate_in: int, rate_out: int) -> Iterator[Tensor]:
        """Resample blocks `[channel, time]` as they come; equal rates pass through untouched."""
        if rate_in == rate_out:
            yield from stream
        else:
            yield from run(self.plan(rate_in, rate_out), stream)


def _rate(rate: float) -> int:
    if not (isinstance(rate, int | float) and rate == int(rate) and rate > 0):
        raise UsageError(f"a sample rate is a whole number of Hz above 0, not {rate!r}")
    return int(rate)


def combine(function: Callable[[Tensor, Tensor], Tensor], first: Stream, second: Stream) -> Iterator[Tensor]:
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


def split(stream: Stream) -> tuple[Iterator[Tensor], Iterator[Tensor]]:
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


def head(stream: Stream, samples: int) -> tuple[list[Tensor], Iterator[Tensor]]:
    """Read at least `samples` samples (fewer only at the end): `(those blocks, the whole stream again)`."""
    rest = iter(stream)
    blocks: list[Tensor] = []
    size = 0
    while size < samples and (block := next(rest, None)) is not None:
        blocks.append(block)
        size += block.shape[-1]
    return blocks, itertools.chain(blocks, rest)
