"""Where the content of a stream ends, by rules made by hand, in one pass.

A low-pass acts on every frame alike. Music and speech fall towards high frequencies too, but not always: now and then a
consonant, a cymbal or a click goes further up. So an **edge** is where the content falls steeply in all frames that have any
content there, and where nothing comes back above it. The measurement works in bands of 1/24 octave:

* The **level** of a band in a frame of about 90 ms is the lower quartile of its bins. So it shows noise, and single
  tones do not raise it. The **remaining level** at a band is the highest level from that band upwards.
* The **fall** at a band is the difference between the mean remaining level in the quarter octave below, and the remaining
  level a third of an octave higher. Only **active** frames count: those that are 22 dB louder below the band than the
  quietest 2 % of frames are above it. The **steepness** is the 2nd percentile of the falls over the active frames, in dB an
  octave. The edge is where the steepness is greatest, if it is at least 42 dB an octave and the content is 10 dB lower
  beyond. The edge begins where the steepness exceeds 16. Without an edge, content is taken to reach the Nyquist frequency.
* The **envelope** y is the 90th percentile of the active frames, relative to the half octave that begins an octave below the
  edge. It is modelled as a Butterworth response of order N on top of content whose slope changes little:

      y(f) = content(f) − 10·log10(1 + 3·(f/fc)^2N).

  The content is a Gaussian process: it has any level, it falls by 5 ± 8 dB an octave, and its slope is a random walk (Wahba
  1978: the prior of smoothing splines). Each band has 2 dB of noise. So each fc and N has a likelihood. Some bands lie on
  the floor of dither and leakage. Of these only that one counts which a response predicts farthest above the floor. The
  **cut-off** is the median of fc, and the **slope** is the asymptote of the likeliest N, 6.02·N dB an octave. The edge
  **begins** where the response has fallen by 0.3 dB; a brick wall begins at its cut-off.

At most 1,024 frames are kept, evenly spread. When they are full, every other one is dropped, and from then on frames are
taken half as often. So memory does not grow with the stream; and as frames lie on a grid from sample 0, the result does not
depend on how the stream is cut into blocks.

>>> noise = torch.randn(1, 65_536, generator=torch.Generator().manual_seed(0)) / 10
>>> spectrum = torch.fft.rfft(noise)
>>> spectrum[:, 10_922:] = 0  # above 8 kHz at 48 kHz
>>> bandwidth = measure_bandwidth(torch.fft.irfft(spectrum).split(1_000, -1), 48_000)
>>> bandwidth.has_edge, abs(bandwidth.cutoff_hz / 8_000 - 1) < 0.05, bandwidth.begin_hz <= bandwidth.cutoff_hz
(True, True, True)
>>> measure_bandwidth([noise], 48_000).cutoff_hz
24000.0
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from upscaler_core.dsp.bandwidth import Bandwidth
from upscaler_core.dsp.frames import Frames, blackman_harris
from upscaler_core.dsp.streaming import Stream

RESOLUTION_HZ = 12.5
"""Bins are at most this wide. So frames last 80 to 160 ms; most of their weight is in the window's middle half."""
MAX_FRAMES = 1024
"""Frames that are kept. A quarter of them is enough for the quantiles."""
GROUP = 32
"""Frames in each FFT call. The number never changes, because the last bits of the result depend on it."""
PER_OCTAVE = 24
"""Bands in an octave."""
LOWEST_HZ = 1000.0
"""Where the lowest band begins. Bands further down have too few bins, and no medium has so low a cut-off."""
FLOOR_DB = -140.0
"""Levels are at least this. It is below 16-bit dither (−125 to −134 dB), and above the rounding noise of float32."""

RARE = 0.02
"""Share of the frames. If fewer frames show something, it is a click or a fault, and does not count."""
ACTIVE_DB = 22.0
"""How far an active frame exceeds the quietest frames. Noise varies less than this from frame to frame, even in the
narrowest bands."""
BELOW, WIDTH = 6, 8
"""Bands over which the level below an edge is averaged, and bands from the edge's top to its foot."""
OCTAVES = (WIDTH - 1 + (BELOW + 1) / 2) / PER_OCTAVE
"""Octaves over which a fall is measured, from the middle of the bands below an edge to its foot."""
MIN_STEEPNESS, BEGIN_STEEPNESS = 42.0, 16.0
"""dB an octave: the least steepness of an edge, and the steepness at which it begins. Content that ends without a filter
reaches 41 (a Vorbis file of speech)."""
MIN_DROP_DB = 10.0
"""How much lower the content beyond an edge must be. Where it is not, the edge is a gap between harmonics."""

ENVELOPE = 0.9
"""The envelope is this quantile over the active frames."""
DEEPEST_DB = 60.0
"""Depth to which a response is followed. Further down, a brick wall shows the window's side lobes and the dither."""
CLEAR_DB = 3.0
"""Bands that exceed the floor by less than this lie on it."""
ORDERS = (2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 48, 96)
"""Orders N of the Butterworth responses that are tried."""
TREND, TREND_SPREAD, LEVEL_SPREAD_DB = -5.0, 8.0, 300.0
"""Content's slope, dB an octave: mean and standard deviation; and the standard deviation of its level, dB: the level is
practically unconstrained."""
BEND = 41.5
"""Variance that the content's slope gains in an octave, (dB an octave)²."""
NOISE_DB = 2.0
"""Standard deviation of the noise of a band's level."""
UNCERTAIN_DB = 4.0
"""Standard deviation of the floor. Predictions up to about this much above the measured floor are tolerated."""
QUARTILE = 0.75
"""The place within a band, 0 … 1, at which a brick wall affects the band's lower quartile."""


def measure_bandwidth(stream: Stream, rate: int) -> Bandwidth:
    """Measure where the content of a stream of blocks `[channel, time]` at `rate` Hz ends."""
    return find_bandwidth(band_levels(stream, rate), rate)


def find_bandwidth(levels: Tensor, rate: int) -> Bandwidth:
    """Find where the content ends from the levels `[frame, band]`, dB, of a stream at `rate` Hz."""
    levels = levels.clamp(min=FLOOR_DB).double()
    edge = find_edge(levels)
    if edge is None or edge.drop < MIN_DROP_DB:
        return Bandwidth(rate / 2)
    cutoff, order = fit_response(edge)
    return Bandwidth(min(cutoff, rate / 2), edge.drop, 20 * math.log10(2) * order)


def band_levels(stream: Stream, rate: int) -> Tensor:
    """The levels `[frame, band]`, dB, of a stream of blocks `[channel, time]` at `rate` Hz."""
    levels = BandLevels(rate)
    for block in stream:
        levels.add(block)
    return levels.finish()


class BandLevels:
    """Measures the levels of bands in frames of a signal that comes in blocks. At most `MAX_FRAMES` frames are kept."""

    def __init__(self, rate: int) -> None:
        self.size = 1 << max(1, math.ceil(math.log2(rate / RESOLUTION_HZ)))
        self.window = blackman_harris(self.size)
        self.starts = band_starts(rate, self.size)
        self.frames = Frames(self.size, self.size // 2)
        self.groups: list[Tensor] = []
        self.pending: list[Tensor] = []
        self.index, self.stride = 0, 1  # of the next frame; from one kept frame to the next

    def add(self, block: Tensor) -> None:
        """Take the next block `[channel, time]`."""
        for frame in self.frames.add(block):
            if self.index % self.stride == 0:
                self._keep(frame)
            self.index += 1

    def finish(self) -> Tensor:
        """The levels `[frame, band]`, dB."""
        if self.pending:
            padding = [torch.zeros_like(self.pending[0])] * (GROUP - len(self.pending))
            self.groups.append(_levels(self.pending + padding, self.starts)[: len(self.pending)])
        return torch.cat(self.groups) if self.groups else torch.zeros(0)

    def _keep(self, frame: Tensor) -> None:
        self.pending.append(frame * self.window)
        if len(self.pending) < GROUP:
            return
        self.groups.append(_levels(self.pending, self.starts))
        self.pending = []
        if len(self.groups) * GROUP == MAX_FRAMES:
            self.groups = list(torch.split(torch.cat(self.groups)[::2], GROUP))
            self.stride *= 2


def band_starts(rate: int, size: int) -> list[int]:
    """The bins at which bands begin, up to the Nyquist frequency, and the bin at which the last band ends."""
    count = math.ceil(PER_OCTAVE * math.log2(max(1.0, 0.999 * rate / 2 / LOWEST_HZ)))
    starts = [math.ceil(LOWEST_HZ * 2 ** (band / PER_OCTAVE) * size / rate) for band in range(count)]
    return [*starts, size // 2 + 1]


def _levels(frames: list[Tensor], starts: list[int]) -> Tensor:
    """`GROUP` windowed frames `[channel, size]` -> `[frame, band]`, dB; power summed over channels."""
    spectrum = torch.fft.rfft(torch.stack(frames))
    power = (spectrum * spectrum.conj()).real.sum(1)
    parts = [power[:, low:high] for low, high in itertools.pairwise(starts)]
    quartiles = [part.kthvalue((part.shape[1] + 3) // 4, 1).values for part in parts]
    return 10 * torch.log10(torch.stack(quartiles, 1) + 1e-20) if quartiles else torch.zeros(0)


@dataclass(frozen=True)
class Edge:
    """An edge in the bands' levels."""

    begin: int
    """Band at whose start the edge begins."""
    foot: int
    """Band at whose start the edge is over."""
    envelope: Tensor
    """Of all bands: `[band]`, dB."""

    @property
    def drop(self) -> float:
        """Level difference from the half octave below the edge to the loudest band above it, dB."""
        below = self.envelope[self.begin - PER_OCTAVE // 2 : self.begin]
        return float(below.mean() - self.envelope[self.foot :].max())


def find_edge(levels: Tensor) -> Edge | None:
    """Find the edge at which levels `[frame, band]` (dB) fall most steeply, from an octave above the lowest band on."""
    count = levels.shape[-1] - PER_OCTAVE - WIDTH + 1
    if count < 1:
        return None
    remaining = levels.flip(1).cummax(1).values.flip(1)
    below = remaining[:, PER_OCTAVE - BELOW :].unfold(1, BELOW, 1).mean(-1)[:, :count]
    above = remaining[:, PER_OCTAVE + WIDTH - 1 :]
    active = below > torch.quantile(above, RARE, 0) + ACTIVE_DB
    gentlest = torch.nanquantile((below - above).where(active, torch.nan), RARE, 0)
    steepness = (gentlest / OCTAVES).where(active.double().mean(0) >= RARE, 0)
    steepest = begin = int(steepness.argmax())
    if steepness[steepest] < MIN_STEEPNESS:
        return None
    while begin and steepness[begin - 1] >= BEGIN_STEEPNESS:
        begin -= 1
    reference = remaining[:, begin : begin + PER_OCTAVE // 2].mean(1, keepdim=True)
    envelope = torch.quantile((levels - reference)[active[:, begin]], ENVELOPE, 0)
    return Edge(PER_OCTAVE + begin, PER_OCTAVE + steepest + WIDTH - 1, envelope)


def fit_response(edge: Edge) -> tuple[float, int]:
    """Fit a Butterworth response on top of smooth content to an edge's envelope: `(−6 dB point in Hz, order)`."""
    first, end = edge.begin - PER_OCTAVE, min(edge.foot + BELOW, len(edge.envelope) - 1)
    floor = edge.envelope[end:].max().clamp(min=-DEEPEST_DB)
    y = edge.envelope[first : end + 1].maximum(floor)
    clear = y > floor + CLEAR_DB
    band = torch.arange(first, end + 1) + QUARTILE
    cutoff = torch.arange(first, edge.foot + 1, 0.5, dtype=torch.float64)
    octaves = (band - cutoff[:, None, None]) / PER_OCTAVE  # [cut-off, 1, band]
    order = torch.tensor(ORDERS, dtype=torch.float64)
    response = -10 * torch.log10(1 + 3 * 2 ** (2 * order[:, None] * octaves))  # [cut-off, order, band]
    log_likelihood = _log_likelihood(y, response.flatten(0, 1), clear, floor)
    posterior = log_likelihood.softmax(0).view(len(cutoff), len(order))
    median = int((posterior.sum(1).cumsum(0) < 0.5).sum().clamp(max=len(cutoff) - 1))
    return LOWEST_HZ * 2 ** (float(cutoff[median]) / PER_OCTAVE), ORDERS[int(posterior.sum(0).argmax())]


def _log_likelihood(y: Tensor, responses: Tensor, clear: Tensor, floor: Tensor) -> Tensor:
    """Log-likelihood `[response]` of an envelope `[band]`, dB, given each of the responses, up to a constant.

    Args:
        y: envelope `[band]`, dB.
        responses: `[response, band]`, dB.
        clear: bool `[band]`: which bands exceed the floor.
        floor: dB.
    """
    mean, covariance = _content(len(y))
    root = torch.linalg.cholesky(covariance[clear][:, clear])
    independent = torch.linalg.solve_triangular(root, (y - mean - responses)[:, clear].T, upper=False)
    misfit: Tensor = independent.square().sum(0)
    if not clear.all():  # what the clear bands predict for the others must not exceed the floor
        projection = torch.linalg.solve_triangular(root, covariance[clear][:, ~clear], upper=False)
        variance = covariance.diagonal()[~clear] - projection.square().sum(0)
        predicted = mean[~clear] + independent.T @ projection + responses[:, ~clear]
        above = (predicted.maximum(floor) - y[~clear]).clamp(min=0)
        misfit = misfit + (above.square() / (variance + UNCERTAIN_DB**2)).max(1).values
    return -misfit / 2


def _content(count: int) -> tuple[Tensor, Tensor]:
    """Mean `[band]` and covariance `[band, band]` of the levels of `count` bands, dB, before a filter."""
    x = torch.arange(count, dtype=torch.float64) / PER_OCTAVE
    least, most = x[:, None].minimum(x), x[:, None].maximum(x)
    bend = BEND * least.square() * (most - least / 3) / 2  # of an integrated random walk
    noise = NOISE_DB**2 * torch.eye(count, dtype=torch.float64)
    return TREND * x, LEVEL_SPREAD_DB**2 + TREND_SPREAD**2 * x[:, None] * x + bend + noise
