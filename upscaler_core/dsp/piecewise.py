"""Sends the pieces of a stream through functions of their own. Neighbouring results are cross-faded, so nothing clicks.

Piece k holds the samples from s_k to s_(k+1). Its result counts with the weight

    w_k(t) = g(t − s_k) − g(t − s_(k+1)),      g(t) = sin²(π/2 · (1/2 + t/fade)) within ±fade/2, 0 before, 1 after;

the first piece has no beginning to fade in at, and the last one no end. The sum of all w_k telescopes to 1, also where
pieces are shorter than a fade. So if all functions are the same, the result is what the function makes of the complete
stream.

A function reads a **stretch**: its piece, the fades, and a margin on both sides, which it uses as context. Its results there
are thrown away.

    stretch k        ├ margin ┼ fade ┼── alone ──┼ fade ┼ margin ┤
    stretch k + 1                       ├ margin ┼ fade ┼── alone ──┼ fade ┼ margin ┤

Stretches are read one after the other. Of the stream only what two of them share is kept, so memory does not grow with it.

>>> def times(factor):
...     return lambda stretch, start: (factor * block for block in stretch)
>>> pieces = [Piece(0, times(1)), Piece(6, times(3)), Piece(10, nothing)]
>>> [round(x, 2) for x in torch.cat(list(piecewise([torch.ones(1, 13)], pieces, margin=2, fade=4)), -1)[0].tolist()]
[1.0, 1.0, 1.0, 1.0, 1.08, 1.62, 2.38, 2.92, 2.89, 2.07, 0.93, 0.11, 0.0]
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import torch
from torch import Tensor

from upscaler_core.dsp.streaming import Stream

FOREVER = 1 << 62
"""A position beyond the end of any stream."""


@dataclass(frozen=True)
class Piece:
    """A piece of a stream. It ends where the next one starts."""

    start: int
    """First sample."""
    function: Callable[[Stream, int], Stream]
    """`(stretch, start) -> a stream of the same length`; `start` is the index of the stretch's first sample."""


def nothing(stretch: Stream, start: int) -> Iterator[Tensor]:
    """The function of a piece whose result is silence."""
    return (torch.zeros_like(block) for block in stretch)


def piecewise(
    stream: Stream, pieces: Sequence[Piece], *, margin: int, fade: int, length_multiple: int = 1
) -> Iterator[Tensor]:
    """Send each piece of a stream through its own function, and cross-fade the results.

    Args:
        stream: blocks `[channel, time]`.
        pieces: in order; the first one starts at sample 0. The function of a single piece gets the stream as it is.
        margin: samples before and after the fades that the functions get as context, at least as many as they depend on.
        fade: samples of a cross-fade, centred on a piece's start; an even number.
        length_multiple: stretches start at multiples of it.

    Yields:
        Blocks `[channel, time]`, in total as many samples as the stream has.
    """
    if len(pieces) == 1:
        yield from pieces[0].function(stream, 0)
        return
    half = fade // 2
    bounds = [-FOREVER, *(piece.start for piece in pieces[1:]), FOREVER]
    begins = [max(0, bound - half - margin) // length_multiple * length_multiple for bound in bounds]
    stretches, total, position = _Stretches(stream), torch.empty(0), 0  # the sum, from `position` on
    for piece, (low, high), (begin, keep) in zip(pieces, pairwise(bounds), pairwise(begins), strict=True):
        stretch = stretches.read(begin, high + half + margin, keep)
        for start, block in _between(piece.function(stretch, begin), begin, low - half, high + half):
            index = torch.arange(start, start + block.shape[-1])
            weight = _rise(index - low, half) - _rise(index - high, half)
            total = _added_at(start - position, total, block * weight.to(block.dtype))
            complete = max(0, min(start + block.shape[-1], high - half) - position)
            yield total[:, :complete]
            total, position = total[:, complete:], position + complete
        for _ in stretch:  # what a function leaves unread belongs to the next stretch
            pass
    if total.numel():
        yield total


def _rise(t: Tensor, half: int) -> Tensor:
    """The function g of the derivation, at whole samples; its middle lies between the samples −1 and 0.

    It comes from a table, as the last bits of a cosine could depend on where in a block it is computed.
    """
    phase = (torch.arange(2 * half, dtype=torch.float64) + 0.5) / max(1, 2 * half)
    table = torch.cat([torch.zeros(1), 0.5 - 0.5 * torch.cos(math.pi * phase), torch.ones(1)])
    return table[(t + half + 1).clamp(0, 2 * half + 1)]


def _added_at(offset: int, total: Tensor, block: Tensor) -> Tensor:
    """A sum `[channel, time]` with a block added from a sample on; it grows where the block reaches beyond its end."""
    total = total if total.numel() else block[:, :0]
    total = torch.nn.functional.pad(total, (0, max(0, offset + block.shape[-1] - total.shape[-1])))
    total[:, offset : offset + block.shape[-1]] += block
    return total


def _between(stream: Stream, position: int, first: int, end: int) -> Iterator[tuple[int, Tensor]]:
    """The samples `[first, end)` of a stream whose own first sample is at `position`, as `(position, block)`."""
    for block in stream:
        after = position + block.shape[-1]
        low, high = max(position, first), min(after, end)
        if low < high:
            yield low, block[:, low - position : high - position]
        position = after


class _Stretches:
    """Reads stretches of a stream, one after the other. They start in order, and may overlap."""

    def __init__(self, stream: Stream) -> None:
        self.rest = _between(stream, 0, 0, FOREVER)
        self.kept: deque[tuple[int, Tensor]] = deque()

    def read(self, begin: int, end: int, keep: int) -> Iterator[Tensor]:
        """Yield the samples `[begin, end)`, and keep those from `keep` on for the next call."""
        kept, self.kept = iter(self.kept), deque()
        for position, block in chain(kept, self.rest):
            after = position + block.shape[-1]
            if after > keep:
                self.kept.append((position, block))
            if after > begin:
                yield block[:, max(0, begin - position) : max(0, end - position)]
            if after >= end:
                break
        self.kept.extend(kept)
