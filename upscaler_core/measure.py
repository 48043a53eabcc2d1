"""The survey: one pass over a stream that finds where its content ends.

A band-limited recording falls off a cliff: above one frequency there is nothing, and nothing comes back. Music and speech
fall too, but more gently, or onto something that still lives. So, in bands of 1/24 octave:

* The **level** of a band in a frame of about 90 ms is the lower quartile of its bins, which sees noise and not the lines of
  tones. Its **peak** is the 98th percentile over all frames: a filter lowers it by its own response, while a few clicks
  leave it alone. Where the peak lies little above the median, as in dither, the band is **still**.
* What is **left** at a frequency is the highest peak from there up; it can only fall. At every frequency, and for some
  widths, the **excess** is how far it falls from the mean of the half octave below, less what the trend of the octave below
  explains. An **edge** is an excess of

      10 dB + 36 dB/octave · (width + a quarter octave)     onto a still floor, or
      26 dB + 36 dB/octave · (width + a quarter octave)     onto anything, within a sixth of an octave.

  Of several the one furthest beyond 54 dB/octave wins. Without any, content is taken to reach the Nyquist frequency.
* Around it, a Butterworth response of order N below a straight line is fitted to the peaks, as far as they stand out of the
  floor (or 40 dB down):

      level(f) = a + b·log2(f) − 10·log10(1 + (f/fc)^2N),    −12 <= b <= 0 dB an octave,

  a and b by least squares for each fc and N. The **cut-off** is the −6 dB point of the best, fc·3^(1/2N), and the
  **slope** its asymptote, 6.02·N dB an octave.

At most 1,024 frames are kept, evenly spread: when they are full every other one goes, and the next ones are taken half as
often. So memory does not grow with the stream; and as frames lie on a grid from sample 0, blocks do not matter.

>>> noise = torch.randn(1, 65_536, generator=torch.Generator().manual_seed(0)) / 10
>>> spectrum = torch.fft.rfft(noise)
>>> spectrum[:, 10_922:] = 0  # above 8 kHz at 48 kHz
>>> found = survey(torch.fft.irfft(spectrum).split(1_000, -1), 48_000).bandwidth()
>>> found.found, abs(found.cutoff_hz - 8_000) < 100
(True, True)
>>> survey([noise], 48_000).bandwidth().cutoff_hz
24000.0
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from upscaler_core.streaming import Stream, windows

RESOLUTION_HZ = 12.5
"""Bins are at most this wide. Frames last 80 to 160 ms, most of it in the window's middle half."""
KEPT = 1024
"""Frames kept; a quarter of them is plenty for quantiles."""
GROUP = 32
"""Frames in each FFT call, always: its last bits change with the number."""
PER_OCTAVE = 24
LOWEST_HZ = 1000.0
"""Bands begin here: below, they hold too few bins, and no medium cuts off so low."""
FLOOR_DB = -140.0
"""Levels are at least this: below 16-bit dither (−125 to −134), above the rounding noise of float32."""

PEAK = 0.98
STILL_DB = 13.0
"""Peak over median: noise has less, in the narrowest bands too; speech and music have 20 and more."""
BELOW = PER_OCTAVE // 2
TREND = PER_OCTAVE
"""Bands below an edge that tell its level and its trend."""
CONTENT_DB = -118.0
"""Under this there is no content to end."""
WIDTHS = (2, 3, 4, 6, 8, 12)
"""Bands from an edge's top to its foot: brick walls to Butterworths."""
ABRUPT = 4
"""At most so many bands where what follows still lives: real voices fall by 50 dB within 8."""
DROP_DB, ABRUPT_DROP_DB = 10.0, 26.0
STEEP, STEEPER = 36.0, 54.0
"""dB an octave beyond the trend: an edge; the steep end of a natural fall, which is preferred."""
STEEPEST_TREND = 12.0
"""dB an octave: a trend is carried on at most this steeply, or it would follow a soft filter down."""

ORDERS = (3, 4, 5, 6, 8, 10, 12, 16, 24, 48, 96)
DEPTH_DB = 40.0
"""What is further down does not help to place an edge."""
TIED_DB = 0.15
"""Cut-offs that fit as well as this are averaged: between two bands a brick wall fits anywhere."""
QUARTILE = 0.75
"""Where within a band its lower quartile sees a brick wall."""


@dataclass(frozen=True)
class Bandwidth:
    """Where the content ends."""

    cutoff_hz: float
    """The −6 dB point of the edge; the Nyquist frequency where there is none."""
    drop_db: float = 0.0
    """From the half octave below the edge to the most that is left above it, dB; 0 without an edge."""
    slope: float = 0.0
    """The edge's asymptotic slope, dB an octave; 0 without an edge."""

    @property
    def found(self) -> bool:
        """There is an edge."""
        return self.slope > 0


@dataclass(frozen=True)
class Survey:
    """What a pass over a stream has seen: levels `[frame, band]`, dB, at a sample rate in Hz."""

    levels: Tensor
    rate: int

    def bandwidth(self) -> Bandwidth:
        """Where the content ends."""
        if not self.levels.numel():
            return Bandwidth(self.rate / 2)
        levels = self.levels.clamp(min=FLOOR_DB).double()
        peak = torch.quantile(levels, PEAK, 0)
        edge = find_edge(peak, peak - levels.median(0).values)
        if edge is None:
            return Bandwidth(self.rate / 2)
        cutoff, order = locate(peak, edge)
        drop = peak[edge.top - BELOW : edge.top].mean() - _left(peak)[edge.top + edge.width]
        return Bandwidth(min(cutoff, self.rate / 2), float(drop), 20 * math.log10(2) * order)


def survey(stream: Stream, rate: int) -> Survey:
    """Survey a whole stream of blocks `[channel, time]` at `rate` Hz."""
    size = 1 << math.ceil(math.log2(rate / RESOLUTION_HZ))
    window = blackman_harris(size)
    cuts = band_edges(rate, size)
    groups: list[Tensor] = []
    pending: list[Tensor] = []
    stride = 1  # from one kept frame to the next
    for index, frame in enumerate(frames(stream, size)):
        if index % stride:
            continue
        pending.append(frame * window)
        if len(pending) == GROUP:
            groups.append(_levels(pending, cuts))
            pending = []
            if len(groups) * GROUP == KEPT:
                groups = list(torch.split(torch.cat(groups)[::2], GROUP))
                stride *= 2
    if pending:
        padding = [torch.zeros_like(pending[0])] * (GROUP - len(pending))
        groups.append(_levels(pending + padding, cuts)[: len(pending)])
    return Survey(torch.cat(groups) if groups else torch.zeros(0), rate)


def frames(stream: Stream, size: int) -> Iterator[Tensor]:
    """Cut whole frames `[channel, size]` from a stream, each half a frame on from the one before."""
    seen = 0

    def counted() -> Iterator[Tensor]:
        nonlocal seen
        for block in stream:
            seen += block.shape[-1]
            yield block

    for position, frame, _ in windows(counted(), size // 2, 0, size // 2):
        if position + size <= seen:  # not padded at the end
            yield frame


def blackman_harris(size: int) -> Tensor:
    """The periodic 4-term window (leaks less than −92 dB), scaled so that a sine of amplitude 1 is at 0 dB (Harris 1978)."""
    angle = 2 * math.pi * torch.arange(size, dtype=torch.float64) / size
    terms = torch.tensor([0.35875, -0.48829, 0.14128, -0.01168], dtype=torch.float64)
    window = (terms[:, None] * torch.cos(torch.arange(4)[:, None] * angle)).sum(0)
    return (window / (window.sum() / 2)).float()


def band_edges(rate: int, size: int) -> list[int]:
    """The bins at which bands begin, up to the Nyquist frequency, and the end of the last."""
    count = math.ceil(PER_OCTAVE * math.log2(max(1.0, 0.999 * rate / 2 / LOWEST_HZ)))
    starts = [math.ceil(LOWEST_HZ * 2 ** (band / PER_OCTAVE) * size / rate) for band in range(count)]
    return [*starts, size // 2 + 1]


def _levels(frames: list[Tensor], cuts: list[int]) -> Tensor:
    """`GROUP` windowed frames `[channel, size]` -> `[frame, band]`, dB; power summed over channels."""
    spectrum = torch.fft.rfft(torch.stack(frames))
    power = (spectrum * spectrum.conj()).real.sum(1)
    parts = [power[:, low:high] for low, high in itertools.pairwise(cuts)]
    quartiles = [part.kthvalue((part.shape[1] + 3) // 4, 1).values for part in parts]
    return 10 * torch.log10(torch.stack(quartiles, 1) + 1e-20) if quartiles else torch.zeros(0)


@dataclass(frozen=True)
class Edge:
    """An edge begins at the start of band `top` and is over `width` bands further up."""

    top: int
    width: int


def find_edge(peak: Tensor, liveliness: Tensor) -> Edge | None:
    """Find the edge that falls furthest, given the peak of each band and its distance from the median, `[band]`, dB."""
    left, lively = _left(peak), _left(liveliness)
    best, edge = -math.inf, None
    for top in range(BELOW, len(peak) - 1):
        level = float(left[top - BELOW : top].mean())
        if level < CONTENT_DB:
            break
        trend = min(STEEPEST_TREND, -_slope(left[max(0, top - TREND) : top]) * PER_OCTAVE)
        for width in sorted({min(width, len(peak) - 1 - top) for width in WIDTHS}):
            octaves = (width + BELOW / 2) / PER_OCTAVE  # from the middle of what is below
            still = bool(lively[top + width] < STILL_DB)
            fall = level - float(left[top + width]) - trend * octaves - (DROP_DB if still else ABRUPT_DROP_DB)
            margin = fall - STEEPER * octaves
            if (still or width <= ABRUPT) and fall > STEEP * octaves and margin > best:
                best, edge = margin, Edge(top, width)
    return edge


def locate(peak: Tensor, edge: Edge) -> tuple[float, int]:
    """Fit a Butterworth response below a straight line to the peaks `[band]` (dB): `(−6 dB point in Hz, order)`."""
    left = _left(peak)
    end = min(edge.top + edge.width + BELOW // 2, len(peak) - 1)
    floor = torch.maximum(left[end], left[edge.top - BELOW : edge.top].mean() - DEPTH_DB)
    y = torch.maximum(peak[: end + 1], floor)
    x = torch.arange(end + 1) + QUARTILE
    low = max(BELOW / 2, edge.top - 2 * edge.width)
    cutoff = torch.arange(low, edge.top + edge.width + 1, 0.25, dtype=torch.float64)[:, None, None]
    order = torch.tensor(ORDERS, dtype=torch.float64)[:, None]
    octaves = (x - cutoff) / PER_OCTAVE  # [cut-off, 1, band]
    response = -10 * torch.log10(1 + 2 ** (2 * order * octaves))  # [cut-off, order, band]
    near = (octaves >= -TREND / PER_OCTAVE).double()
    weight = near * (y > floor + 3)
    total = weight.sum(-1, keepdim=True)
    line = y - response
    middle = (weight * x).sum(-1, keepdim=True) / total
    spread = (weight * (x - middle).square()).sum(-1, keepdim=True)
    tilt = (weight * line * (x - middle)).sum(-1, keepdim=True) / spread.clamp(min=1e-9)
    line = (weight * line).sum(-1, keepdim=True) / total + tilt.clamp(-STEEPEST_TREND / PER_OCTAVE, 0) * (x - middle)
    error = (near * (torch.maximum(line + response, floor) - y).abs()).sum(-1) / near.sum(-1)
    error = error.nan_to_num(math.inf)  # no band stands out of the floor
    column = int(error.min(0).values.argmin())
    tied = error[:, column] <= error[:, column].min() + TIED_DB
    best = ORDERS[column]
    band = float(cutoff[tied].mean())
    return LOWEST_HZ * 2 ** (band / PER_OCTAVE) * 3 ** (1 / (2 * best)), best


def _left(values: Tensor) -> Tensor:
    """The largest value from each band up."""
    return values.flip(0).cummax(0).values.flip(0)


def _slope(values: Tensor) -> float:
    """The slope of the straight line through equally spaced values, a step."""
    x = torch.arange(len(values)) - (len(values) - 1) / 2
    return float((x * values).sum() / x.square().sum())
