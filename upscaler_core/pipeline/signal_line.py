"""One straight line from a band-limited signal to a full-band one.

    source ─┬─► resample to the target rate ───────────────────────────────────────────────────────────────► (+) ─► finish
            └─► resample to the models' rate ─┬─► chunks ─► models ─► fuse ─► join ─► (−) ─► high-pass ─► resample ─┘
                                              └───────────── baseline ───────────────┘

The source passes through. The models only add, from where the source's edge begins. Models that also work at twice their
rate are run again there, on what they restored, and so restore the octave above it. Every arrow is a generator of blocks
`[channel, time]`, so memory does not grow with the signal.

Where the source's bandwidth changes, what stands between the second line's resamplers is done for each segment by itself,
from its own edge, and cross-faded with the next (`dsp.piecewise`). The models do not run over segments to which they add
nothing. What the source has above an edge, where that is to be replaced, is taken away before the lines part.
"""

from __future__ import annotations

import itertools
import math
import operator
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Literal

import torch
from torch import Tensor

from upscaler_core.dsp import filters
from upscaler_core.dsp.bandwidth import Bandwidth, BandwidthTrack
from upscaler_core.dsp.edge_rules import measure_bandwidth
from upscaler_core.dsp.gain_reduction import GainReductionMeter
from upscaler_core.dsp.piecewise import Piece, nothing, piecewise
from upscaler_core.dsp.plan import Plan
from upscaler_core.dsp.resample import Resample, integer_rate
from upscaler_core.dsp.streaming import Stream, chunking, crossfade, mute_silence, peek, run, tee, zip_blocks
from upscaler_core.errors import UsageError
from upscaler_core.pipeline.arrays import as_block
from upscaler_core.pipeline.enhancement import EnhancementStep, Stereo
from upscaler_core.pipeline.events import FULL_BAND_HZ
from upscaler_core.pipeline.spec import Chunk
from upscaler_core.plugins.protocols import (
    BandwidthDetector,
    Conditions,
    EnhancementModel,
    Finisher,
    FusionStrategy,
    Resampler,
)

AboveEdge = Literal["auto", "keep", "replace"]
Edges = Sequence[tuple[int, Bandwidth | None]]
"""The first sample of each segment, and the edge from which models add; None where they add nothing."""

LIVE_SURVEY_SECONDS = 10
"""A live stream is held back this long to measure its cut-off."""
DEFAULT_RATE = 96_000
"""Rate of what comes out where the user chooses none, Hz."""
TRUSTED = 0.75
"""Share of the models' Nyquist frequency from which the octave above is added to. Below it, what they restored is relied on;
the top of their band falls off, as it does in the recordings that they were trained on."""
FADE_SECONDS = 0.03
"""Length of a cross-fade between segments. It does not click, and no change of a bandwidth is placed more accurately."""


@dataclass(frozen=True, repr=False)
class SignalLine:
    """Objects in the order in which the signal meets them.

    Args:
        resampler: a `Resampler`, or what `discover().resampler(name)` returns.
        target_rate: Hz. None = 96,000, and for files the highest usual rate up to that which the format holds.
        models: enhancement models by name, with a rate in common. None of them = the resampler alone.
        fusion: joins the models' estimates. With one model that returns a waveform it may be left out.
        finish: finishers, in order.
        stereo: two channels are treated each by itself, or as mid and side. Other channel counts are independent.
        chunk: how the models' input is cut.
        detector: finds where a source's content ends. None = the rules of `dsp.edge_rules`.
        cutoff_hz: where the source's content ends. None = the detector says it.
        above_edge: what the source has above its edge is kept, or replaced by what the models add. `auto` = it is replaced
            where the detector found images.
        keep_source_band: high-pass what the models add where the edge begins. False = the white paper's literal fusion.
        seed: for all noise.
        device: where the models run, as torch names it.
        name: what the tag `enhanced_by` of written files calls it; empty = the names of the models.
        headroom: of files. `auto` = where the finished signal would exceed full scale, the file is lowered as a whole, once.
            `none` = such samples are clamped. Arrays and streams are floats, which exceed full scale without harm.
        on_window: is called after the models have done a window of a channel, with their rate, Hz, and its seconds.
    """

    resampler: Resample | Resampler
    target_rate: int | None = None
    models: Mapping[str, EnhancementModel] = field(default_factory=dict)
    fusion: FusionStrategy | None = None
    finish: Sequence[Finisher] = ()
    stereo: Stereo = "independent"
    chunk: Chunk = field(default_factory=Chunk)
    detector: BandwidthDetector | None = None
    cutoff_hz: float | None = None
    above_edge: AboveEdge = "auto"
    keep_source_band: bool = True
    seed: int = 0
    device: str = "cpu"
    name: str = ""
    headroom: Literal["auto", "none"] = "auto"
    on_window: Callable[[int, float], None] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.headroom not in ("auto", "none"):
            remedy = "for a limiter, write finish=[discover().finisher('limiter')]"
            raise UsageError(f"headroom is 'auto' or 'none', not {self.headroom!r}; {remedy}")
        _ = self.enhancement

    def __repr__(self) -> str:
        """What it consists of, in one short line: the components' classes, and values that are not the default."""
        parts = [f"target_rate={self.rate_out}", f"resampler={_class_name(self.resampler)}"]
        if self.models:
            models = ", ".join(f"{name}: {_class_name(model)}" for name, model in self.models.items())
            parts.append(f"models={{{models}}}")
        if self.fusion is not None:
            parts.append(f"fusion={_class_name(self.fusion)}")
        if self.finish:
            parts.append(f"finish=[{', '.join(map(_class_name, self.finish))}]")
        for name in ("stereo", "cutoff_hz", "above_edge", "keep_source_band", "seed", "device", "headroom"):
            if (value := getattr(self, name)) != getattr(SignalLine, name):
                parts.append(f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(parts)})"

    @property
    def rate_out(self) -> int:
        """The rate of what comes out, Hz."""
        return self.target_rate or DEFAULT_RATE

    @cached_property
    def enhancement(self) -> EnhancementStep:
        """The step that makes the models' estimates what is added."""
        return EnhancementStep(self.models, self.fusion, self.stereo, self.keep_source_band)

    def stream(
        self,
        stream: Stream,
        rate: int,
        *,
        bandwidth: BandwidthTrack | Bandwidth | None = None,
        gain_reduction: GainReductionMeter | None = None,
        edge: Bandwidth | None = None,
    ) -> Iterator[Tensor]:
        """Enhance blocks `[channel, time]` (tensors or arrays) as they come, at `rate` Hz; yield blocks at the target rate.

        Where the bandwidth is neither given here nor fixed in the pipeline, the first 10 seconds are held back to measure
        it. The joined output does not depend on how the input was cut into blocks.

        Args:
            stream: the blocks.
            rate: Hz.
            bandwidth: where the content ends; a `Bandwidth` holds from beginning to end.
            gain_reduction: measures what limiters do.
            edge: the old name of `bandwidth`.
        """
        if edge is not None:
            _warn("stream(edge=)", "bandwidth")
            bandwidth = bandwidth or edge
        stream, rate = map(as_block, stream), integer_rate(rate)
        if self.models and bandwidth is None:
            blocks, stream = peek(stream, LIVE_SURVEY_SECONDS * rate if self.cutoff_hz is None else 0)
            bandwidth = self.bandwidth_of(blocks, rate)
        edges = self._edges(bandwidth)
        if not any(edge for _, edge in edges):
            out = self._resample(stream, rate, self.rate_out)
        else:
            stream = self._without_replaced(stream, rate, edges)
            if self._model_rate == self.rate_out:
                edges = _at_rate(edges, rate, self.rate_out)
                stream, rate = self._resample(stream, rate, self.rate_out), self.rate_out
            straight, source = tee(stream)
            added = self._added(source, rate, edges, self._model_rate)
            out = zip_blocks(torch.add, self._resample(straight, rate, self.rate_out), added)
        for finisher in self.finish:
            plan = finisher.plan(self.rate_out)
            if gain_reduction is not None and getattr(finisher, "limits", False):
                before, out = tee(out)
                out = zip_blocks(gain_reduction, before, run(plan, out, joint=True))
            else:
                out = run(plan, out, joint=True)
        return out

    def bandwidth_of(self, stream: Stream, rate: int) -> BandwidthTrack:
        """Where a source's content ends, over time: as given, or measured over the whole stream."""
        if self.cutoff_hz is not None:
            return BandwidthTrack.constant(Bandwidth(self.cutoff_hz))
        stream = map(as_block, stream)
        if self.detector is None:
            return BandwidthTrack.constant(measure_bandwidth(stream, rate))
        survey = self.detector.survey(rate)
        for block in stream:
            survey.add(block)
        return survey.finish()

    def edge_of(self, stream: Stream, rate: int) -> Bandwidth:
        """The lowest bandwidth of `bandwidth_of`, which is the new name."""
        _warn("edge_of", "bandwidth_of")
        return self.bandwidth_of(stream, rate).lowest

    def skip_reason(self, cutoff_hz: float) -> str:
        """Why the models add nothing to a source that ends at `cutoff_hz`; empty where they add something."""
        if not self.models:
            return "no model"
        if cutoff_hz >= min(FULL_BAND_HZ, 0.9 * self._model_rate / 2):
            return f"full band (to {cutoff_hz / 1000:.1f} kHz)"
        if cutoff_hz >= self.rate_out / 2:
            return f"content to {cutoff_hz / 1000:.1f} kHz fills the target's band"
        return ""

    def replaced_band_plan(self, bandwidth: Bandwidth, rate: int) -> Plan | None:
        """The filter of what a source at `rate` Hz has above an edge, and what is taken away; None where nothing is."""
        replace = self.above_edge == "replace" or (self.above_edge == "auto" and bandwidth.above == "images")
        if not replace or self.skip_reason(bandwidth.cutoff_hz):
            return None
        return filters.above_edge_plan(rate, bandwidth.cutoff_hz)

    @property
    def ends_with_limiter(self) -> bool:
        """Whether the last finisher is a limiter, so that nothing exceeds its ceiling."""
        return bool(self.finish) and getattr(self.finish[-1], "limits", False)

    @property
    def _model_rate(self) -> int:
        """The models' first rate that divides the target's: its band ends where the target's does, or octaves below."""
        rates = self.enhancement.rates
        return next((rate for rate in rates if self.rate_out % rate == 0), rates[0])

    @property
    def model_rates(self) -> list[int]:
        """The rates, Hz, at which the models run: their own, and from octave to octave up to the target's."""
        rates = [self._model_rate]
        while 2 * rates[-1] in self.enhancement.rates and self.rate_out % (2 * rates[-1]) == 0:
            rates.append(2 * rates[-1])
        return rates

    def model_seconds(self, seconds: float, rate: int) -> float:
        """How many seconds of a channel the models do at a rate, Hz, where so many are to be restored."""
        samples, overlap, _ = self._chunking
        if self.enhancement.receptive_field is None:
            return seconds * samples / (samples - overlap)
        return math.ceil(seconds * rate / samples) * samples / rate  # every window is a complete one

    def _resample(self, stream: Stream, rate_in: int, rate_out: int) -> Iterator[Tensor]:
        resample = self.resampler if isinstance(self.resampler, Resample) else Resample(self.resampler)
        return resample.stream(stream, rate_in, rate_out)

    def _edges(self, bandwidth: BandwidthTrack | Bandwidth | None) -> Edges:
        """Where the models add, and from which edge."""
        if bandwidth is None:
            return [(0, None)]
        track = BandwidthTrack.constant(bandwidth) if isinstance(bandwidth, Bandwidth) else bandwidth
        return [
            (segment.start, None if self.skip_reason(segment.bandwidth.cutoff_hz) else segment.bandwidth)
            for segment in track.segments
        ]

    def _without_replaced(self, stream: Stream, rate: int, edges: Edges) -> Stream:
        """The source without what it has above those edges where that is replaced; elsewhere the same bits."""
        plans = [(start, self.replaced_band_plan(edge, rate) if edge else None) for start, edge in edges]
        margin = max((plan.receptive_field for _, plan in plans if plan), default=None)
        if margin is None:
            return stream
        pieces = [Piece(start, _filtered(plan) if plan else nothing) for start, plan in plans]
        source, again = tee(stream)
        return zip_blocks(torch.sub, source, piecewise(again, pieces, margin=margin, fade=_fade(rate)))

    def _added(self, stream: Stream, rate: int, edges: Edges, model_rate: int) -> Iterator[Tensor]:
        """What the models add to a signal, at the target rate: up to their Nyquist frequency, then an octave at a time."""
        baseline, edges = self._resample(stream, rate, model_rate), _at_rate(edges, rate, model_rate)
        octave_up = 2 * model_rate
        if octave_up not in self.enhancement.rates or self.rate_out % octave_up:
            return self._resample(self._added_at(model_rate, baseline, edges), model_rate, self.rate_out)
        below, source = tee(baseline)
        added, added_again = tee(self._added_at(model_rate, source, edges))
        restored = zip_blocks(torch.add, below, added_again)
        trusted = TRUSTED * model_rate / 2
        tops = [(start, edge and Bandwidth(max(edge.cutoff_hz, trusted))) for start, edge in edges]
        above = self._added(restored, model_rate, tops, octave_up)
        return zip_blocks(torch.add, self._resample(added, model_rate, self.rate_out), above)

    def _added_at(self, model_rate: int, stream: Stream, edges: Edges) -> Iterator[Tensor]:
        """What the models add to a baseline at one of their rates; the result is at that rate too."""
        changes = [next(same) for _, same in itertools.groupby(edges, key=operator.itemgetter(1))]
        pieces = [
            Piece(start, partial(self._added_from, edge=edge, rate=model_rate) if edge else nothing)
            for start, edge in changes
        ]
        margin = self._context + filters.edge_half_length(model_rate)
        multiple = self.enhancement.length_multiple
        return piecewise(stream, pieces, margin=margin, fade=_fade(model_rate), length_multiple=multiple)

    def _added_from(self, stream: Stream, first: int, *, edge: Bandwidth, rate: int) -> Iterator[Tensor]:
        """What the models add from one edge upwards to a stretch of a baseline that begins at the sample `first`."""
        step = self.enhancement
        source, reference = tee(stream)
        subtrahend, baseline = tee(step.to_models(block) for block in source)
        added = zip_blocks(torch.sub, self._fused(baseline, first, edge, rate), subtrahend)
        if plan := step.added_band_plan(rate, edge):
            added = run(plan, added)
        return mute_silence((step.from_models(block) for block in added), reference, self._context)

    def _fused(self, baseline: Stream, first: int, edge: Bandwidth, rate: int) -> Iterator[Tensor]:
        """The models' joint estimate.

        It is made in windows with full context where all receptive fields are bounded, otherwise in cross-faded chunks.
        """
        samples, overlap, context = self._chunking
        field, rows = self.enhancement.receptive_field, self.chunk.batch
        if field is None:

            def estimate(windows: Tensor, start: int) -> Tensor:
                out = self._estimate(windows, first + start, stride=samples - overlap, edge=edge, rate=rate)
                self._tell(len(windows) * (windows.shape[-1] - 2 * context), rate)
                return out

            return crossfade(
                estimate,
                baseline,
                samples=samples,
                overlap=overlap,
                context=context,
                length_multiple=self.enhancement.length_multiple,
                rows=rows,
            )

        def inner(windows: Tensor, start: int) -> Tensor:
            fused = self._estimate(windows, first + start - field, stride=samples, edge=edge, rate=rate)
            self._tell(len(windows) * samples, rate)
            return fused[:, field : field + samples]

        return run(Plan(inner, samples, samples, field, rows), baseline)

    def _tell(self, samples: int, rate: int) -> None:
        """Say that the models have done so many samples of a channel."""
        if self.on_window:
            self.on_window(rate, samples / rate)

    @property
    def _chunking(self) -> tuple[int, int, int]:
        """Samples of a chunk, of the overlap and of the context, fitted to the models' length multiple."""
        context = round(self.chunk.context * self.enhancement.rates[0])
        return chunking(self.chunk.samples, self.chunk.overlap, context, self.enhancement.length_multiple)

    @property
    def _context(self) -> int:
        """Samples on each side that the models are given."""
        return self.enhancement.receptive_field or self._chunking[2]

    def _estimate(self, windows: Tensor, start: int, *, stride: int, edge: Bandwidth, rate: int) -> Tensor:
        """Models and fusion on windows `[rows, time]`, `stride` samples apart from `start` on -> the same shape."""
        if torch.device(self.device).type == "cpu" and len(windows) > 1:
            each = partial(self._estimate, stride=stride, edge=edge, rate=rate)
            return torch.cat([each(windows[k : k + 1], start + k * stride) for k in range(len(windows))])
        baseline = windows[:, None].to(self.device)
        rows = torch.arange(len(windows), device=baseline.device)
        cutoffs, begins = (
            torch.full((len(windows),), float(hz), device=baseline.device) for hz in (edge.cutoff_hz, edge.begin_hz)
        )
        conditions = Conditions(cutoffs, start + stride * rows, rate, self.seed, begin_hz=begins)
        with torch.no_grad():
            estimates = self.enhancement.estimate(baseline, conditions)
            fused = self.enhancement.fuse(estimates, baseline, conditions)
        return fused[:, 0].to(windows)


def _class_name(component: object) -> str:
    """The name of a component's class, or its own where it is a class or a function."""
    if isinstance(component, Resample):
        component = component.resampler
    return getattr(component, "__name__", type(component).__name__)


def _at_rate(edges: Edges, rate: int, other: int) -> Edges:
    """The same edges of the same signal at another rate."""
    return [(round(start * other / rate), edge) for start, edge in edges]


def _fade(rate: int) -> int:
    """Samples of a cross-fade, an even number."""
    return 2 * round(FADE_SECONDS * rate / 2)


def _filtered(plan: Plan) -> Callable[[Stream, int], Iterator[Tensor]]:
    """The function of a piece that a plan filters."""
    return lambda stretch, start: run(plan, stretch)


def _warn(old: str, new: str) -> None:
    message = f"SignalLine.{old} is now called {new}; the old name is gone in version 0.3"
    warnings.warn(message, DeprecationWarning, stacklevel=3)
