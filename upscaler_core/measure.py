"""The survey: one pass over a stream that finds where its content ends, and how loud it gets.

A band-limited recording falls off a cliff: above one frequency there is nothing, in every frame, and nothing comes back.
Music and speech fall too, but gently, or in some frames only. So, on the log-power spectra of frames of about 90 ms,
whose window (4-term Blackman-Harris) leaks less than −92 dB:

* **Bands** of 1/12 octave, each the lower quartile of its bins: it sees noise, and not the lines of tones.
* For each frequency f, the **frames that have content just below f**: the loudest quarter by the half octave under f.
* In each, the **excess** at a distance of d octaves from there: how much lower the *loudest* band further up is
  (so nothing may come back) than the half octave under f, less what the trend of the octave below explains.
* An edge **holds** where four in five of these frames, and the peaks of all frames, have an excess of at least

      8 dB + 24 dB/octave · d      at some d from 3/8 to 5/4 octave (1/12 octave and up above f):

  a brick wall needs 17 dB of content over the floor; a slope has to be 24 dB/octave steeper than the trend and go on.
* The lowest such edge is the file's. On the mean spectrum of its frames, D(f) = mean level over h octaves under f less
  that over h octaves above it; h is the shortest (1/24 … 1/4) that sees most of the drop, so it fits brick walls and
  Butterworths. Where D has risen to half of its maximum is where the pass-band ends. The **cut-off** is the last bin that is
  less than 6 dB under the pass-band's trend, carried on from there.

Where no edge holds, the content is taken to reach the Nyquist frequency: a flute is not band-limited.

At most 1,024 frames are kept, evenly spread: when they are full every other one goes, and the next ones are taken half as
often. So memory does not grow with the file; and as frames lie on a grid from sample 0, blocks do not matter.

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
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

RESOLUTION_HZ = 12.5
"""Bins are at most this wide: nine or more in a band from 2 kHz up.
Frames last 80 to 160 ms, most of it in the window's middle half."""
KEPT = 1024
"""Frames kept; a quarter of them is plenty for shares and quantiles."""
GROUP = 32
"""Frames in each FFT call, always: its last bits change with the number."""
SILENCE = 1e-17
"""Added to the power: −170 dB, under the rounding noise of float32 and of 24 bits."""

PER_OCTAVE = 12
LOWEST_HZ = 1000.0
"""Bands begin here: below, they hold too few bins, and no medium cuts off so low."""
BELOW = 6
"""Bands that tell whether a frame has content under a frequency: half an octave."""
DISTANCES = (1, 2, 3, 4, 6, 9, 12)
"""Bands from the edge's foot to what must be empty: brick walls to Butterworths."""
ACTIVE = 0.25
"""Share of frames taken as having content under a frequency: speech pauses, drums are short."""
HELD = 0.2
"""Share of those that may lack the drop: clicks and splices, but not a codec that codes the top in its loud frames."""
PEAK = 0.98
"""The quantile over time that stands for a band's peaks: a few clicks are no content."""
CONTENT_DB = -118.0
"""A band under this has no content; 16-bit dither lies at −125, undithered rounding at −130."""
DROP_DB = 8.0
"""Twice the scatter of two neighbouring bands in one frame."""
STEEP = 24.0
"""dB an octave beyond the trend: natural spectra steepen by less over an octave."""

WIDTHS = (1 / 24, 1 / 12, 1 / 6, 1 / 4)
"""Octaves on each side over which the edge is located."""
MOST = 0.7
"""A width that sees this share of the widest one's drop sees the edge whole."""
CUTOFF_DB = 6.0
"""The cut-off is where the level is this far under the trend."""
STEEPEST_TREND = 12.0
"""dB an octave: a trend is carried on at most this steeply, or it would follow a soft filter down."""


@dataclass(frozen=True)
class Bandwidth:
    """Where the content ends."""

    cutoff_hz: float
    """The −6 dB point of the edge; the Nyquist frequency where there is none."""
    edge_db: float = 0.0
    """The drop across the edge, dB, a quarter octave on each side; 0 without an edge."""
    slope: float = 0.0
    """The edge's slope, dB an octave, at least; 0 without an edge."""
    found: bool = False
    """There is an edge."""


class Survey:
    """What a pass over a stream has found so far.

    Args:
        rate: the stream's sample rate, Hz.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.frames = 0
        """Samples a channel."""
        self.peak = 0.0
        """The largest sample's magnitude, linear."""
        self.clipped = 0
        """Samples at full scale or beyond, in all channels."""
        self._size = 1 << math.ceil(math.log2(rate / RESOLUTION_HZ))
        self._window = blackman_harris(self._size)
        self._held: Tensor | None = None
        self._next = 0  # where in `_held` the next frame begins
        self._stride = 1  # half frames from one kept frame to the next
        self._pending: list[Tensor] = []
        self._levels: list[Tensor] = []

    def add(self, block: Tensor) -> None:
        """Take a block `[channel, time]`, float32."""
        if not block.shape[-1]:
            return
        size = block.abs()
        self.peak = max(self.peak, float(size.amax()))
        if self.peak >= 1:
            self.clipped += int((size >= 1).sum())
        self.frames += block.shape[-1]
        held = block if self._held is None else torch.cat([self._held, block], -1)
        while self._next + self._size <= held.shape[-1]:
            self._pending.append(held[:, self._next : self._next + self._size].clone())
            if len(self._pending) == GROUP:
                self._keep()
            self._next += self._size // 2 * self._stride
        gone = min(self._next, held.shape[-1])
        self._held = held[:, gone:].clone()
        self._next -= gone

    def bandwidth(self) -> Bandwidth:
        """Where the content of what was added so far ends."""
        kept = [*self._levels, self._spectra()[: len(self._pending)]] if self._pending else self._levels
        nyquist = Bandwidth(self.rate / 2)
        if not kept or self.rate / 2 <= LOWEST_HZ:
            return nyquist
        levels = torch.cat(kept)
        edge = find_edge(levels, self.rate)
        return nyquist if edge is None else locate(levels[edge.frames].mean(0), self.rate, edge.low_hz, edge.high_hz)

    def _keep(self) -> None:
        self._levels.append(self._spectra())
        self._pending = []
        if len(self._levels) * GROUP == KEPT:
            self._levels = list(torch.split(torch.cat(self._levels)[::2], GROUP))
            self._stride *= 2

    def _spectra(self) -> Tensor:
        """The pending frames' levels `[GROUP, bin]`, dB; power summed over channels."""
        frames = torch.stack(self._pending)
        frames = torch.nn.functional.pad(frames, (0, 0, 0, 0, 0, GROUP - len(frames)))
        spectrum = torch.view_as_real(torch.fft.rfft(frames * self._window))
        return 10 * torch.log10(spectrum.square().sum((1, 3)) + SILENCE)


def blackman_harris(size: int) -> Tensor:
    """The periodic 4-term window, scaled so that a sine of amplitude 1 has a level of 0 dB (Harris 1978)."""
    angle = 2 * math.pi * torch.arange(size, dtype=torch.float64) / size
    terms = torch.tensor([0.35875, -0.48829, 0.14128, -0.01168], dtype=torch.float64)
    window = (terms[:, None] * torch.cos(torch.arange(4)[:, None] * angle)).sum(0)
    return (window / (window.sum() / 2)).float()


def survey(stream: Iterable[Tensor], rate: int) -> Survey:
    """Send a whole stream of blocks `[channel, time]` at `rate` Hz through a survey."""
    result = Survey(rate)
    for block in stream:
        result.add(block)
    return result


@dataclass(frozen=True)
class Edge:
    """An edge that holds: it lies between two frequencies, and was seen in these frames (their indices)."""

    low_hz: float
    high_hz: float
    frames: Tensor


def find_edge(levels: Tensor, rate: int) -> Edge | None:
    """Find the lowest frequency above which content ends, in levels `[frame, bin]` (dB) up to the Nyquist frequency."""
    bands, edges = _bands(levels, rate)
    last = bands.shape[1] - 1
    above = bands.flip(1).cummax(1).values.flip(1)  # the loudest band from this one up
    peak_above = torch.quantile(above, PEAK, dim=0)
    best: tuple[float, Edge] | None = None
    for low in range(BELOW, last):
        below = bands[:, low - BELOW : low].mean(1)
        active = below.topk(max(1, round(len(below) * ACTIVE))).indices
        if float(below[active].median()) < CONTENT_DB:
            continue
        peak_below = torch.quantile(below, PEAK)
        trend = max(0.0, -_slope(bands[active, max(0, low - PER_OCTAVE) : low].mean(0)) * PER_OCTAVE)
        margin, high = -math.inf, low
        for far in sorted({min(low + distance, last) for distance in DISTANCES}):
            octaves = (far - low + (BELOW + 1) / 2) / PER_OCTAVE  # from the middle of what is below
            drop = torch.quantile(below[active] - above[active, far], HELD)
            least = float(torch.minimum(drop, peak_below - peak_above[far])) - trend * octaves
            if least - DROP_DB - STEEP * octaves > margin:
                margin, high = least - DROP_DB - STEEP * octaves, far
        if margin <= 0:
            if best is not None:
                break  # the first run of bands in which an edge holds has ended
        elif best is None or margin > best[0]:
            best = margin, Edge(edges[low], edges[high], active)
    return None if best is None else best[1]


def locate(profile: Tensor, rate: int, low_hz: float, high_hz: float) -> Bandwidth:
    """Measure the edge that lies between two frequencies in a mean spectrum `[bin]`, dB."""
    smooth = (
        torch.nn.functional.pad(profile[None, None], (3, 3), mode="replicate")[0, 0].unfold(0, 7, 1).median(1).values
    )
    step = rate / 2 / (len(smooth) - 1)
    index = torch.arange(len(smooth))
    octave = torch.log2(index.clamp(min=0.5) * step)
    total = torch.nn.functional.pad(smooth.double().cumsum(0), (1, 0))
    candidates = []
    for width in WIDTHS:
        lower = (index / 2**width).round().long()
        upper = (index * 2**width).round().long().clamp(max=len(smooth) - 1)
        under, over = index - lower, upper - index
        drop = (total[index] - total[lower]) / under.clamp(min=1) - (total[upper + 1] - total[index + 1]) / over.clamp(
            min=1
        )
        # The edge may begin a band before the first frequency at which it was seen.
        inside = (index * step >= low_hz / 2 ** (1 / PER_OCTAVE)) & (index * step <= high_hz) & (under > 1) & (over > 1)
        candidates.append(
            (float(drop[inside].max()) if inside.any() else -math.inf, width, drop.where(inside, -math.inf))
        )
    widest = candidates[-1][0]
    most, width, drop = next(c for c in candidates if c[0] >= MOST * widest)
    foot = int((drop >= most / 2).nonzero()[0])
    end = octave[foot] - 0.4 * width  # of the pass-band: a Butterworth has lost 1 dB there
    pitch = _trend(smooth, octave, end - 1, end)
    near = (octave <= end) & (octave >= end - 2 * width - 2 / foot)
    weight = near / index.clamp(min=1)
    weight = weight / weight.sum()
    line = (weight * smooth).sum() + pitch * (octave - (weight * octave).sum())
    passed = (smooth >= line - CUTOFF_DB) & (octave <= octave[foot] + 0.35) & (octave >= octave[foot] - 0.3)
    cutoff = (int(passed.nonzero()[-1]) + 0.5) * step if passed.any() else foot * step
    return Bandwidth(min(cutoff, rate / 2), widest, most / width, True)


def _bands(levels: Tensor, rate: int) -> tuple[Tensor, list[float]]:
    """Levels `[frame, bin]` -> lower quartiles `[frame, band]` of 1/12-octave bands, and the bands' edges in Hz."""
    step = rate / 2 / (levels.shape[1] - 1)
    count = math.ceil(PER_OCTAVE * math.log2(0.999 * rate / 2 / LOWEST_HZ))
    edges = [LOWEST_HZ * 2 ** (band / PER_OCTAVE) for band in range(count)] + [rate / 2 + step]
    bins = [math.ceil(edge / step) for edge in edges]
    pairs = itertools.pairwise(bins)
    parts = [levels[:, first : max(first + 1, end)] for first, end in pairs]
    return torch.stack([part.kthvalue((part.shape[1] + 3) // 4, 1).values for part in parts], 1), edges


def _slope(values: Tensor) -> float:
    """The slope of the straight line through equally spaced values, a step."""
    x = torch.arange(len(values)) - (len(values) - 1) / 2
    return float((x * values).sum() / x.square().sum().clamp(min=1))


def _trend(levels: Tensor, octave: Tensor, low: Tensor, high: Tensor) -> float:
    """The slope of levels over octaves between two points on that scale, dB an octave, every octave weighing the same."""
    weight = ((octave >= low) & (octave <= high)) / 2**octave
    x = octave - (weight * octave).sum() / weight.sum()
    slope = float((weight * x * levels).sum() / (weight * x.square()).sum().clamp(min=1e-30))
    return min(0.0, max(-STEEPEST_TREND, slope))
