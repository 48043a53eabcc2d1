"""What is known about where a recording's content ends: the records that a bandwidth detector returns.

A **bandwidth** holds for a stretch of time. A **bandwidth track** is the list of such stretches, as a joined archive, or a
studio with a caller by telephone, has more than one. Positions are in samples of the source.

>>> telephone, studio = Bandwidth(3_400.0, 40.0, 600.0), Bandwidth(24_000.0)
>>> track = BandwidthTrack((Segment(0, telephone), Segment(480_000, studio)))
>>> track.at(479_999).cutoff_hz, track.at(480_000).cutoff_hz, track.is_constant
(3400.0, 24000.0, False)
>>> list(track.ends(960_000))
[480000, 960000]
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

BEGIN_DB = 0.3
"""By how much a response has fallen where its edge begins."""
BRICK_WALL = 400.0
"""dB an octave. The slopes of steeper edges cannot be distinguished. Such an edge begins at its cut-off."""
LOW_CONFIDENCE = 0.6
"""A lower confidence is worth a word to the user."""

Cause = Literal["unknown", "full band", "dark", "resampled", "lossy", "low-pass"]
"""Why the content ends: it does not; it ends by itself, without a filter; a resampler, a lossy codec or a gentle low-pass
(a tape, a microphone, a filter) ended it."""
Above = Literal["unknown", "nothing", "noise", "images"]
"""What stands above an edge: nothing but rounding; a noise floor or whistles; mirror images of a cheap interpolation."""


@dataclass(frozen=True)
class Bandwidth:
    """Where the content ends."""

    cutoff_hz: float
    """The −6 dB point of the edge; the Nyquist frequency where there is none."""
    drop_db: float = 0.0
    """Level difference from the half octave below the edge to the loudest band above it, dB; 0 without an edge."""
    slope: float = 0.0
    """The edge's asymptotic slope, dB an octave; 0 without an edge."""
    confidence: float = 1.0
    """The probability, 0 … 1, that the cut-off is right within 7 %."""
    cause: Cause = "unknown"
    """Why the content ends there."""
    above: Above = "unknown"
    """What stands above the edge."""
    codec: str = ""
    """The lossy codec's family, such as `MP3`, as far as it can be told."""
    kbps: float | None = None
    """About how many kbit/s the lossy codec had."""

    @property
    def has_edge(self) -> bool:
        """Whether there is an edge."""
        return self.slope > 0

    @property
    def begin_hz(self) -> float:
        """Where the edge has fallen by 0.3 dB, Hz. It is far below the cut-off of a soft edge.

        It is the cut-off itself for a brick wall, and where there is no edge.
        """
        if not self.has_edge or self.slope > BRICK_WALL:
            return self.cutoff_hz
        order = self.slope / (20 * math.log10(2))
        return self.cutoff_hz * float(((10 ** (BEGIN_DB / 10) - 1) / 3) ** (1 / (2 * order)))


@dataclass(frozen=True)
class Segment:
    """A stretch of time with one bandwidth. It ends where the next one starts."""

    start: int
    """First sample."""
    bandwidth: Bandwidth


@dataclass(frozen=True)
class BandwidthTrack:
    """The bandwidth over time: segments in order, the first of which starts at sample 0."""

    segments: tuple[Segment, ...]

    @classmethod
    def constant(cls, bandwidth: Bandwidth) -> BandwidthTrack:
        """One bandwidth from beginning to end."""
        return cls((Segment(0, bandwidth),))

    @property
    def is_constant(self) -> bool:
        """Whether there is one segment alone."""
        return len(self.segments) == 1

    @property
    def lowest(self) -> Bandwidth:
        """The bandwidth of the segment that ends lowest."""
        return min((segment.bandwidth for segment in self.segments), key=lambda bandwidth: bandwidth.cutoff_hz)

    def at(self, sample: int) -> Bandwidth:
        """The bandwidth at a sample."""
        starts = [segment.start for segment in self.segments]
        return self.segments[max(0, bisect.bisect_right(starts, sample) - 1)].bandwidth

    def ends(self, length: int) -> Iterator[int]:
        """Where each segment ends, in a signal of `length` samples."""
        yield from (segment.start for segment in self.segments[1:])
        yield length
