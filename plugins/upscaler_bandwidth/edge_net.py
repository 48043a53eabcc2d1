"""`edge-net`: a small network finds where the content ends, over time, and says how sure it is.

    blocks ─► cells of band levels ─► network: votes and attributes of each cell ─► segments ─► one posterior for each

The cut-off of a segment is the place that has most of the posterior within 7 %; that share is the confidence. An edge must
be likelier than none by `EDGE_ODDS`: a false edge harms an original, and a missed one leaves a file as it is.

The rules of `upscaler_core.dsp` give a second opinion on recordings with one segment. Where both agree within 7 %, the
cut-off and slope of the rules are taken, because these are the more precise ones. Where the network finds no edge, the
rules may still find that of the converter which made the recording, close to the Nyquist frequency.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from upscaler_bandwidth.features import FLOOR_DB, LOWEST_HZ, PER_OCTAVE, CellFeatures, band_count, cell_samples
from upscaler_bandwidth.network import ABOVE, CAUSES, CODECS, RECEPTIVE_FIELD, EdgeNetwork, Votes
from upscaler_bandwidth.options import EdgeNetOptions
from upscaler_bandwidth.segmentation import Segmentation
from upscaler_core import load_checkpoint
from upscaler_core.dsp import BandLevels, Bandwidth, BandwidthTrack, Cause, Segment, find_bandwidth
from upscaler_core.models import fixed_initialization

WINDOW = 256
"""Cells in each call of the network. The number never changes, because the last bits of the result depend on it."""
NEAR = 2
"""Bands on each side that count as the same cut-off: 7 % are 2.3 bands."""
EDGE_ODDS = 3.0
"""By how much an edge must be likelier than none."""
LEAST_CONFIDENCE = 0.45
"""An edge is believed from this confidence on. Many of those below are an original's own fall."""
SURELY_LIMITED = 0.05
"""Where "no edge" has less than this, there is an edge, as of a cassette, and only its place is unsure."""
LEAST_CONFIDENCE_LIMITED = 0.3
"""Then it is believed from this confidence on, below `WORTH_IT_HZ`."""
WORTH_IT_HZ = 15_000.0
"""Above this there is little to restore, and a doubtful edge is left alone."""
TEMPER = 0.35
"""Votes count so much where segments are sought: neighbouring cells are not independent."""
LEAST_CELLS = 9
"""Active cells that a segment needs: 1.6 s. A shorter one joins its neighbour."""
SURE = 0.6
"""A cause, or a codec, is named where its probability exceeds this, and so does the edge's."""
LOWEST_EDGE_HZ = 1_900.0
"""No medium has so low a cut-off; tones do end there."""
AROUND = 15
"""Cells on each side of a change among which it is placed: 2.6 s."""
QUIET_DB = -125.0
"""Levels below this are all the same: 16-bit rounding."""
LESS_SPREAD = 0.7
"""A change is moved only if its two sides have less than this share of the spread together."""
SAME_CUTOFF = 0.12
"""Neighbouring segments whose cut-offs differ by a smaller share are one."""
FULL_BAND = 0.93
"""Edges above this share of the Nyquist frequency are converters' own: no edge."""
AGREE = 0.07
"""Cut-offs that differ by a smaller share are the same."""
CONVERTER = 0.88
"""Share of the Nyquist frequency above which an edge that only the rules find is the converter's."""
BRICK_WALL = 96
"""Butterworth order that stands for a resampler's or a codec's edge."""


class EdgeNet:
    """The detector `edge-net`."""

    def __init__(self, options: EdgeNetOptions) -> None:
        options, checkpoint = load_checkpoint(options, "edge-net", __package__)
        with fixed_initialization():
            self.network = EdgeNetwork(options.channels)
        if checkpoint:
            checkpoint.into(self.network)
        self.network.eval()

    def survey(self, rate: int) -> NetSurvey:
        """Begin a survey."""
        return NetSurvey(self.network, rate)


@dataclass
class Evidence:
    """What the cells of one segment say together."""

    start: int
    """First cell."""
    state: int
    votes: Tensor
    """Sum over cells, `[band + 1]`."""
    attributes: Tensor
    """Sum over active cells, `[attribute]`."""
    loudest: Tensor
    """Highest level in each band, `[band]`, dB."""
    active: float
    """Active cells."""
    around: list[Tensor]
    """Levels `[band]`, dB, of the cells around the start: at most `AROUND` before it, and as many after."""
    before: int
    """How many of these lie before the start."""

    def join(self, other: Evidence) -> Evidence:
        """Both as one segment, which begins where the first begins and has the state of the longer one."""
        first, longer = min(self, other, key=lambda e: e.start), max(self, other, key=lambda e: e.active)
        loudest = torch.maximum(self.loudest, other.loudest)
        votes, attributes = self.votes + other.votes, self.attributes + other.attributes
        active = self.active + other.active
        return Evidence(first.start, longer.state, votes, attributes, loudest, active, first.around, first.before)


class NetSurvey:
    """A survey by the network."""

    def __init__(self, network: EdgeNetwork, rate: int) -> None:
        self.network, self.rate = network, rate
        self.bands = band_count(rate)
        self.features = CellFeatures(rate)
        self.levels = BandLevels(rate)
        empty = torch.full((RECEPTIVE_FIELD, 3, self.bands), torch.nan)
        self.cells = empty  # from the receptive field before the next window on
        self.segmentation = Segmentation()
        self.pending: list[tuple[Votes, Tensor]] = []  # voted on, not yet in a segment
        self.segments: list[Evidence] = []
        self.recent: list[Tensor] = []  # levels of the last cells in segments
        self.settled = 0  # cells in segments

    def add(self, block: Tensor) -> None:
        """Take the next block `[channel, time]`."""
        self.levels.add(block)
        self._add_cells(self.features.add(block))

    def finish(self) -> BandwidthTrack:
        """The segments, each with its bandwidth."""
        self._add_cells(self.features.finish())
        rest = self.cells.shape[0] - RECEPTIVE_FIELD
        if rest:
            size = WINDOW + 2 * RECEPTIVE_FIELD
            padding = torch.full((size - self.cells.shape[0], 3, self.bands), torch.nan)
            self._vote(torch.cat([self.cells, padding]), rest)
        self._settle(self.segmentation.finish())
        if not self.segments:  # shorter than a frame
            return BandwidthTrack.constant(Bandwidth(self.rate / 2, confidence=0.5))
        merged = self._merged()
        bandwidths = [self.bandwidth_of(evidence) for evidence in merged]
        if len(bandwidths) == 1:
            rules = find_bandwidth(self.levels.finish(), self.rate)
            return BandwidthTrack.constant(second_opinion(bandwidths[0], rules, self.rate))
        segments = [Segment(0, bandwidths[0])]
        for evidence, bandwidth in zip(merged[1:], bandwidths[1:], strict=True):
            before = segments[-1]
            cell = change_between(evidence, before.bandwidth.cutoff_hz, bandwidth.cutoff_hz)
            start = round(cell * cell_samples(self.rate))
            segments.append(Segment(max(start, before.start + cell_samples(self.rate)), bandwidth))
        return BandwidthTrack(tuple(segments))

    def _add_cells(self, cells: Tensor) -> None:
        self.cells = torch.cat([self.cells, cells])
        while self.cells.shape[0] >= WINDOW + 2 * RECEPTIVE_FIELD:
            self._vote(self.cells[: WINDOW + 2 * RECEPTIVE_FIELD], WINDOW)
            self.cells = self.cells[WINDOW:]

    def _vote(self, window: Tensor, count: int) -> None:
        """Let `count` cells after the receptive field vote."""
        with torch.no_grad():
            votes = self.network(window[None])
        part = slice(RECEPTIVE_FIELD, RECEPTIVE_FIELD + count)
        own = Votes(votes.edge[0, part], votes.attributes[0, part], votes.active[0, part])
        self.pending.append((own, window[part, 0]))
        self._settle(self.segmentation.add(TEMPER * _blurred(own.edge).double().numpy()))

    def _settle(self, states: np.ndarray) -> None:
        """Add cells whose state is known to their segments."""
        while len(states):
            votes, levels = self.pending.pop(0)
            count = min(len(states), len(votes.active))
            if count < len(votes.active):
                rest = Votes(votes.edge[count:], votes.attributes[count:], votes.active[count:])
                self.pending.insert(0, (rest, levels[count:]))
            begins = np.flatnonzero(np.diff(states[:count], prepend=-1))
            for begin, end in zip(begins, [*begins[1:], count], strict=True):
                self._extend(int(states[begin]), votes, levels, slice(int(begin), int(end)))
            self.settled += count
            states = states[count:]

    def _extend(self, state: int, votes: Votes, levels: Tensor, part: slice) -> None:
        active, cells = votes.active[part], levels[part]
        attributes = (votes.attributes[part] * active[:, None]).sum(0)
        evidence = Evidence(
            self.settled + part.start,
            state,
            votes.edge[part].sum(0),
            attributes,
            cells.amax(0),
            float(active.sum()),
            list(self.recent),
            len(self.recent),
        )
        if self.segments and self.segments[-1].state == state:
            self.segments[-1] = self.segments[-1].join(evidence)
        else:
            self.segments.append(evidence)
        for segment in reversed(self.segments):
            if (missing := segment.before + AROUND - len(segment.around)) <= 0:
                break
            segment.around += cells[:missing]
        self.recent = [*self.recent, *cells[-AROUND:]][-AROUND:]

    def _merged(self) -> list[Evidence]:
        """The segments, after short ones and such of the same cut-off were joined with a neighbour."""
        segments = list(self.segments)
        while len(segments) > 1:
            shortest = min(range(len(segments)), key=lambda i: segments[i].active)
            if segments[shortest].active >= LEAST_CELLS:
                break
            neighbours = [i for i in (shortest - 1, shortest + 1) if 0 <= i < len(segments)]
            i = min(shortest, max(neighbours, key=lambda i: segments[i].active))
            segments[i : i + 2] = [segments[i].join(segments[i + 1])]
        cutoffs = [self.bandwidth_of(evidence).cutoff_hz for evidence in segments]
        i = 0
        while i < len(segments) - 1:
            if abs(math.log(cutoffs[i] / cutoffs[i + 1])) < SAME_CUTOFF:
                segments[i : i + 2] = [segments[i].join(segments[i + 1])]
                cutoffs[i : i + 2] = [self.bandwidth_of(segments[i]).cutoff_hz]
                i = max(0, i - 1)
            else:
                i += 1
        return segments

    def bandwidth_of(self, evidence: Evidence) -> Bandwidth:
        """The bandwidth that a segment's evidence speaks for."""
        logits = self.network.posterior(evidence.votes, torch.tensor(evidence.active)).detach()
        logits[:-1][: int(PER_OCTAVE * math.log2(LOWEST_EDGE_HZ / LOWEST_HZ))] = -torch.inf
        posterior = logits.softmax(-1)
        attributes = evidence.attributes / max(1.0, evidence.active)
        causes, above, codecs, (kbps, order) = torch.split(attributes, [len(CAUSES), len(ABOVE), len(CODECS), 2])
        place, confidence = most_within(posterior[:-1])
        none = float(posterior[-1])
        cutoff = LOWEST_HZ * 2 ** (place / PER_OCTAVE)
        limited = none < SURELY_LIMITED and confidence > LEAST_CONFIDENCE_LIMITED and cutoff < WORTH_IT_HZ
        believed = limited or confidence > max(LEAST_CONFIDENCE, none * EDGE_ODDS)
        if evidence.active == 0 or not believed or cutoff > FULL_BAND * self.rate / 2:
            beyond = posterior[:-1][max(0, int(PER_OCTAVE * math.log2(FULL_BAND * self.rate / 2 / LOWEST_HZ))) :]
            certain = 1.0 if evidence.active == 0 else min(1.0, none + float(beyond.sum()))
            if certain <= SURE:
                return Bandwidth(self.rate / 2, confidence=certain)
            codec, rate = likeliest_codec(codecs, kbps)
            cause = likeliest(causes, ("full band", "dark", "lossy"))
            return Bandwidth(self.rate / 2, confidence=certain, cause=cause, codec=codec, kbps=rate)
        cause = likeliest(causes, ("resampled", "lossy", "low-pass"))
        order = float(2 ** order.clamp(1, 5)) if cause == "low-pass" else BRICK_WALL
        codec, rate = likeliest_codec(codecs, kbps) if confidence > SURE else ("", None)
        return Bandwidth(
            cutoff_hz=cutoff,
            drop_db=drop_db(evidence.loudest, place),
            slope=20 * math.log10(2) * order,
            confidence=confidence,
            cause=cause if confidence > SURE else "unknown",
            above=ABOVE[int(above.argmax())],
            codec=codec,
            kbps=rate,
        )


def likeliest(logits: Tensor, among: Sequence[Cause]) -> Cause:
    """The likeliest of some causes, given the logits of all; unknown where none is clearly the likeliest."""
    posterior = torch.stack([logits[CAUSES.index(cause)] for cause in among]).softmax(0)
    return among[int(posterior.argmax())] if float(posterior.max()) > SURE else "unknown"


def likeliest_codec(logits: Tensor, kbps: Tensor) -> tuple[str, float | None]:
    """The lossy codec, given the logits of all, and its bit rate, kbit/s, given log2; nothing where none is clearly it."""
    codec = CODECS[int(logits.argmax())] if float(logits.softmax(-1).max()) > SURE else ""
    return codec, float(2**kbps) if codec else None


def change_between(evidence: Evidence, before_hz: float, after_hz: float) -> float:
    """Where a segment really starts, in cells: where the level changes between the cut-offs on both sides.

    The best place splits the cells around into two groups of the least variance. A cell in which the change lies shows
    the wider side, whose level is higher.
    """
    low, high = sorted((before_hz, after_hz))
    first, end = (int(PER_OCTAVE * math.log2(hz / LOWEST_HZ)) for hz in (1.1 * low, 0.95 * high))
    levels = torch.stack(evidence.around)[:, first : max(end, first + 1)].clamp(min=QUIET_DB).double().mean(1)
    active = (torch.stack(evidence.around).amax(1) > FLOOR_DB + 1).double()
    spreads = [_spread(levels[:k], active[:k]) + _spread(levels[k:], active[k:]) for k in range(1, len(levels))]
    if not spreads or min(spreads) > LESS_SPREAD * _spread(levels, active):
        return evidence.start
    split = 1 + spreads.index(min(spreads))
    return evidence.start - evidence.before + split + (0.5 if after_hz > before_hz else -0.5)


def _spread(values: Tensor, weights: Tensor) -> float:
    """The weighted sum of squared deviations from the mean."""
    total = weights.sum().clamp(min=1)
    return float((weights * (values - (weights * values).sum() / total).square()).sum())


def second_opinion(network: Bandwidth, rules: Bandwidth, rate: int) -> Bandwidth:
    """The network's bandwidth, made more precise by that of the rules where they agree."""
    if not rules.has_edge:
        return network
    agree = abs(rules.cutoff_hz / network.cutoff_hz - 1) < AGREE
    converter = not network.has_edge and rules.cutoff_hz > CONVERTER * rate / 2
    if not ((agree and network.has_edge) or converter):
        return network
    return replace(network, cutoff_hz=rules.cutoff_hz, drop_db=rules.drop_db, slope=rules.slope)


def most_within(posterior: Tensor) -> tuple[float, float]:
    """The place on the scale of bands with most of the posterior `[band]` within 7 %, and how much that is."""
    padded = torch.nn.functional.pad(posterior, (NEAR, NEAR)).unfold(0, 2 * NEAR + 1, 1)  # [band, 5]
    band = int(padded.sum(-1).argmax())
    near = padded[band]
    centre = float((near * torch.arange(-NEAR, NEAR + 1)).sum() / near.sum().clamp(min=1e-12))
    return band + 0.5 + centre, float(near.sum())


def drop_db(levels: Tensor, place: float) -> float:
    """By how much the levels `[band]` fall from the half octave below a place to the loudest band a quarter octave above."""
    below = levels[max(0, int(place) - PER_OCTAVE // 2) : max(1, int(place))]
    above = levels[int(place) + PER_OCTAVE // 4 :]
    return max(0.0, float(below.mean() - above.max())) if len(above) else 0.0


def _blurred(votes: Tensor) -> Tensor:
    """Votes `[cell, band + 1]` in which a band has the best vote within 7 %: neighbours are the same state."""
    bands = torch.nn.functional.max_pool1d(votes[None, :, :-1], 2 * NEAR + 1, 1, NEAR)[0]
    return torch.cat([bands, votes[:, -1:]], -1)
