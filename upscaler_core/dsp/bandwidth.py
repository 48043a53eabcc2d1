"""The survey: one pass over a stream that finds where its content ends.

A low-pass acts on every frame alike. Music and speech fall too, but not always: now and then comes a consonant, a cymbal or
a click that goes on up. So an **edge** is where the content falls steeply in all the frames that have any, and nothing comes
back. In bands of 1/24 octave:

* The **level** of a band in a frame of about 90 ms is the lower quartile of its bins, which sees noise and not the lines of
  tones. What is **left** at a band is the highest level from there up.
* The **fall** at a band is from the mean of what is left in the quarter octave below to what is left a third of an octave
  on. It counts in frames that are **alive**: 22 dB louder below than the quietest 2 % of frames are above. The **steepness**
  is the gentlest 2 % of the falls, in dB an octave. The edge is where it is greatest, if it is 42 dB an octave and content
  lies 10 dB lower beyond, and begins where it exceeds 16. Without one, content is taken to reach the Nyquist frequency.
* Relative to the half octave that begins an octave below the edge, the 90th percentile of alive frames is their
  **envelope** y. It is taken for a Butterworth response of order N below content that bends little:

      y(f) = content(f) − 10·log10(1 + 3·(f/fc)^2N),

  content being a Gaussian process: of any level, falling by 5 ± 8 dB an octave, its slope a random walk (Wahba 1978: the
  prior of smoothing splines), with 2 dB of noise in each band. So each fc and N has a likelihood. Of the bands on the floor
  of dither and leakage that one counts which would have stood out of it most. The **cut-off** is the median of fc, and the
  **slope** the asymptote of the likeliest N, 6.02·N dB an octave. The edge **begins** where the response has taken 0.3 dB,
  if it is no brick wall.

At most 1,024 frames are kept, evenly spread: when they are full every other one goes, and the next ones are taken half as
often. So memory does not grow with the stream; and as frames lie on a grid from sample 0, blocks do not matter.

>>> noise = torch.randn(1, 65_536, generator=torch.Generator().manual_seed(0)) / 10
>>> spectrum = torch.fft.rfft(noise)
>>> spectrum[:, 10_922:] = 0  # above 8 kHz at 48 kHz
>>> found = measure_bandwidth(torch.fft.irfft(spectrum).split(1_000, -1), 48_000)
>>> found.found, abs(found.cutoff_hz / 8_000 - 1) < 0.05, found.begin_hz <= found.cutoff_hz
(True, True, True)
>>> measure_bandwidth([noise], 48_000).cutoff_hz
24000.0
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from upscaler_core.dsp.streaming import Stream, windows

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

RARE = 0.02
"""Of frames: fewer do not count, being clicks and faults."""
ALIVE_DB = 22.0
"""Noise has less between its loudest and quietest frames, in the narrowest bands too."""
BELOW, WIDTH = 6, 8
"""Bands below an edge, and from its top to its foot."""
OCTAVES = (WIDTH - 1 + (BELOW + 1) / 2) / PER_OCTAVE
"""From the middle of what is below to the foot."""
STEEP, BEGINNING = 42.0, 16.0
"""dB an octave, of an edge and of its beginning; what ends by itself reaches 41 (a Vorbis file of speech)."""
DROP_DB = 10.0
"""Beyond an edge content lies lower by this, at least: where it does not, the edge was a gap between harmonics."""

ENVELOPE = 0.9
"""Quantile over frames."""
DEEPEST = 60.0
"""dB below which a response is not followed: there a brick wall shows the analysis window's skirt and the dither."""
CLEAR_DB = 3.0
"""Above the floor; what is lower lies on it."""
ORDERS = (2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 48, 96)
TREND, TREND_SPREAD, ANY_LEVEL_DB = -5.0, 8.0, 300.0
"""Content's slope, dB an octave: mean and standard deviation; its level has the latter alone."""
BEND = 41.5
"""Variance that content's slope gains in an octave, (dB an octave)²."""
NOISE_DB = 2.0
"""Standard deviation of a band's level."""
UNCERTAIN_DB = 4.0
"""Of the floor: a response may predict so much above it before that speaks against it."""
BEGUN_DB = 0.3
"""What a filter has taken where its edge begins."""
BRICK_WALL = 400.0
"""dB an octave: steeper edges are the steepest that can be told, and begin where they end."""
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

    @property
    def begin_hz(self) -> float:
        """Where the edge has taken 0.3 dB, far below the cut-off of a soft one; the cut-off of a brick wall and of none."""
        if not self.found or self.slope > BRICK_WALL:
            return self.cutoff_hz
        order = self.slope / (20 * math.log10(2))
        return self.cutoff_hz * float(((10 ** (BEGUN_DB / 10) - 1) / 3) ** (1 / (2 * order)))


def measure_bandwidth(stream: Stream, rate: int) -> Bandwidth:
    """Where the content of a whole stream of blocks `[channel, time]` at `rate` Hz ends."""
    return find_bandwidth(band_levels(stream, rate), rate)


def find_bandwidth(levels: Tensor, rate: int) -> Bandwidth:
    """Where the content ends, given the levels `[frame, band]`, dB, of a stream at `rate` Hz."""
    levels = levels.clamp(min=FLOOR_DB).double()
    edge = find_edge(levels)
    if edge is None or edge.drop < DROP_DB:
        return Bandwidth(rate / 2)
    cutoff, order = locate(edge)
    return Bandwidth(min(cutoff, rate / 2), edge.drop, 20 * math.log10(2) * order)


def band_levels(stream: Stream, rate: int) -> Tensor:
    """The levels `[frame, band]`, dB, of a stream of blocks `[channel, time]` at `rate` Hz."""
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
    return torch.cat(groups) if groups else torch.zeros(0)


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
    """An edge begins at the start of one band and is over at another; the envelope is of all bands `[band]`, dB."""

    begin: int
    foot: int
    envelope: Tensor

    @property
    def drop(self) -> float:
        """From the half octave below the edge to the most that is left above it, dB."""
        below = self.envelope[self.begin - PER_OCTAVE // 2 : self.begin]
        return float(below.mean() - self.envelope[self.foot :].max())


def find_edge(levels: Tensor) -> Edge | None:
    """Find the edge at which levels `[frame, band]` (dB) fall most steeply, from an octave above the lowest band on."""
    count = levels.shape[-1] - PER_OCTAVE - WIDTH + 1
    if count < 1:
        return None
    left = levels.flip(1).cummax(1).values.flip(1)
    below = left[:, PER_OCTAVE - BELOW :].unfold(1, BELOW, 1).mean(-1)[:, :count]
    above = left[:, PER_OCTAVE + WIDTH - 1 :]
    alive = below > torch.quantile(above, RARE, 0) + ALIVE_DB
    gentlest = torch.nanquantile((below - above).where(alive, torch.nan), RARE, 0)
    steepness = (gentlest / OCTAVES).where(alive.double().mean(0) >= RARE, 0)
    steepest = begin = int(steepness.argmax())
    if steepness[steepest] < STEEP:
        return None
    while begin and steepness[begin - 1] >= BEGINNING:
        begin -= 1
    reference = left[:, begin : begin + PER_OCTAVE // 2].mean(1, keepdim=True)
    envelope = torch.quantile((levels - reference)[alive[:, begin]], ENVELOPE, 0)
    return Edge(PER_OCTAVE + begin, PER_OCTAVE + steepest + WIDTH - 1, envelope)


def locate(edge: Edge) -> tuple[float, int]:
    """Fit a Butterworth response below content of little bend to an edge's envelope: `(−6 dB point in Hz, order)`."""
    first, end = edge.begin - PER_OCTAVE, min(edge.foot + BELOW, len(edge.envelope) - 1)
    floor = edge.envelope[end:].max().clamp(min=-DEEPEST)
    y = edge.envelope[first : end + 1].maximum(floor)
    clear = y > floor + CLEAR_DB
    band = torch.arange(first, end + 1) + QUARTILE
    cutoff = torch.arange(first, edge.foot + 1, 0.5, dtype=torch.float64)
    octaves = (band - cutoff[:, None, None]) / PER_OCTAVE  # [cut-off, 1, band]
    order = torch.tensor(ORDERS, dtype=torch.float64)
    response = -10 * torch.log10(1 + 3 * 2 ** (2 * order[:, None] * octaves))  # [cut-off, order, band]
    likelihood = _log_likelihood(y, response.flatten(0, 1), clear, floor)
    chance = likelihood.softmax(0).view(len(cutoff), len(order))
    median = int((chance.sum(1).cumsum(0) < 0.5).sum().clamp(max=len(cutoff) - 1))
    return LOWEST_HZ * 2 ** (float(cutoff[median]) / PER_OCTAVE), ORDERS[int(chance.sum(0).argmax())]


def _log_likelihood(y: Tensor, responses: Tensor, clear: Tensor, floor: Tensor) -> Tensor:
    """How likely an envelope `[band]` is behind each of the responses `[response, band]`, up to a constant.

    `clear` says which bands stand out of the floor (dB).
    """
    mean, covariance = _content(len(y))
    root = torch.linalg.cholesky(covariance[clear][:, clear])
    independent = torch.linalg.solve_triangular(root, (y - mean - responses)[:, clear].T, upper=False)
    misfit: Tensor = independent.square().sum(0)
    if not clear.all():  # what the clear bands predict for the others must not stand out of the floor
        onto = torch.linalg.solve_triangular(root, covariance[clear][:, ~clear], upper=False)
        variance = covariance.diagonal()[~clear] - onto.square().sum(0)
        predicted = mean[~clear] + independent.T @ onto + responses[:, ~clear]
        above = (predicted.maximum(floor) - y[~clear]).clamp(min=0)
        misfit = misfit + (above.square() / (variance + UNCERTAIN_DB**2)).max(1).values
    return -misfit / 2


def _content(count: int) -> tuple[Tensor, Tensor]:
    """Mean `[band]` and covariance `[band, band]` of so many bands' levels, dB, before a filter."""
    x = torch.arange(count, dtype=torch.float64) / PER_OCTAVE
    least, most = x[:, None].minimum(x), x[:, None].maximum(x)
    bent = BEND * least.square() * (most - least / 3) / 2  # of an integrated random walk
    noise = NOISE_DB**2 * torch.eye(count, dtype=torch.float64)
    return TREND * x, ANY_LEVEL_DB**2 + TREND_SPREAD**2 * x[:, None] * x + bent + noise
