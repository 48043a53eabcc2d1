"""One straight line from a band-limited signal to a full-band one.

    source ─┬─► resample to the target rate ───────────────────────────────────────────────────────────────► (+) ─► finish
            └─► resample to the models' rate ─┬─► chunks ─► models ─► fuse ─► join ─► (−) ─► high-pass ─► resample ─┘
                                              └───────────── baseline ───────────────┘

The source passes through. The models only add, from where the source's edge begins. Models that also work at twice their
rate are run again there, on what they restored, and so restore the octave above it. Every arrow is a generator of blocks
`[channel, time]`, so memory does not grow with the signal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Literal

import torch
from torch import Tensor

from upscaler_core.dsp.bandwidth import Bandwidth
from upscaler_core.dsp.edge_rules import measure_bandwidth
from upscaler_core.dsp.gain_reduction import GainReductionMeter
from upscaler_core.dsp.plan import Plan
from upscaler_core.dsp.resample import Resample
from upscaler_core.dsp.streaming import Stream, chunking, crossfade, mute_silence, peek, run, tee, zip_blocks
from upscaler_core.pipeline.enhancement import EnhancementStep, Stereo
from upscaler_core.pipeline.spec import Chunk
from upscaler_core.plugins.protocols import BandwidthDetector, Conditions, EnhancementModel, Finisher, FusionStrategy, Resampler

AboveEdge = Literal["auto", "keep", "replace"]

FULL_BAND_HZ = 19_000
"""From here up a source is full band: few people hear what could be added."""
LIVE_SURVEY_SECONDS = 10
"""A live stream is held back this long to measure its cut-off."""
TRUSTED = 0.75
"""Share of the models' Nyquist frequency from which the octave above is added to. Below it, what they restored is relied on;
the top of their band falls off, as it does in the recordings that they were trained on."""


@dataclass(frozen=True)
class SignalLine:
    """Objects in the order in which the signal meets them.

    Args:
        resampler: a `Resampler`, or what `discover().resampler(name)` returns.
        target_rate: Hz.
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
    """

    resampler: Resample | Resampler
    target_rate: int = 96_000
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

    def __post_init__(self) -> None:
        _ = self.enhancement

    @cached_property
    def enhancement(self) -> EnhancementStep:
        """The step that makes the models' estimates what is added."""
        return EnhancementStep(self.models, self.fusion, self.stereo, self.keep_source_band)

    def stream(
        self,
        stream: Stream,
        rate: int,
        *,
        edge: Bandwidth | None = None,
        gain_reduction: GainReductionMeter | None = None,
    ) -> Iterator[Tensor]:
        """Enhance blocks `[channel, time]` (tensors or arrays) as they come, at `rate` Hz; yield blocks at the target rate.

        Where the content's edge is neither given here nor fixed in the pipeline, the first 10 seconds are held back to
        measure it. The joined output does not depend on how the input was cut into blocks. `gain_reduction` measures what
        limiters do.
        """
        stream = (torch.as_tensor(block, dtype=torch.float32) for block in stream)
        if self.models and edge is None:
            blocks, stream = peek(stream, LIVE_SURVEY_SECONDS * rate if self.cutoff_hz is None else 0)
            edge = self.edge_of(blocks, rate)
        if edge is None or self.skip_reason(edge.cutoff_hz):
            out = self._resample(stream, rate, self.target_rate)
        else:
            if self._model_rate == self.target_rate:
                stream, rate = self._resample(stream, rate, self.target_rate), self.target_rate
            straight, source = tee(stream)
            added = self._added(source, rate, edge, self._model_rate)
            out = zip_blocks(torch.add, self._resample(straight, rate, self.target_rate), added)
        for finisher in self.finish:
            plan = finisher.plan(self.target_rate)
            if gain_reduction is not None and getattr(finisher, "limits", False):
                before, out = tee(out)
                out = zip_blocks(gain_reduction, before, run(plan, out, joint=True))
            else:
                out = run(plan, out, joint=True)
        return out

    def edge_of(self, stream: Stream, rate: int) -> Bandwidth:
        """Where a source's content ends: as given, or measured over the whole stream."""
        return measure_bandwidth(stream, rate) if self.cutoff_hz is None else Bandwidth(self.cutoff_hz)

    def skip_reason(self, cutoff_hz: float) -> str:
        """Why the models add nothing to a source that ends at `cutoff_hz`; empty where they add something."""
        if not self.models:
            return "no model"
        if cutoff_hz >= min(FULL_BAND_HZ, 0.9 * self._model_rate / 2):
            return f"full band (to {cutoff_hz / 1000:.1f} kHz)"
        if cutoff_hz >= self.target_rate / 2:
            return f"content to {cutoff_hz / 1000:.1f} kHz fills the target's band"
        return ""

    @property
    def _model_rate(self) -> int:
        """The models' first rate that divides the target's: its band ends where the target's does, or octaves below."""
        rates = self.enhancement.rates
        return next((rate for rate in rates if self.target_rate % rate == 0), rates[0])

    def _resample(self, stream: Stream, rate_in: int, rate_out: int) -> Iterator[Tensor]:
        resample = self.resampler if isinstance(self.resampler, Resample) else Resample(self.resampler)
        return resample.stream(stream, rate_in, rate_out)

    def _added(self, stream: Stream, rate: int, edge: Bandwidth, model_rate: int) -> Iterator[Tensor]:
        """What the models add to a signal, at the target rate: up to their Nyquist frequency, then an octave at a time."""
        baseline = self._resample(stream, rate, model_rate)
        octave_up = 2 * model_rate
        if octave_up not in self.enhancement.rates or self.target_rate % octave_up:
            return self._resample(self._added_at(model_rate, baseline, edge), model_rate, self.target_rate)
        below, source = tee(baseline)
        added, added_again = tee(self._added_at(model_rate, source, edge))
        restored = zip_blocks(torch.add, below, added_again)
        top = Bandwidth(max(edge.cutoff_hz, TRUSTED * model_rate / 2))
        above = self._added(restored, model_rate, top, octave_up)
        return zip_blocks(torch.add, self._resample(added, model_rate, self.target_rate), above)

    def _added_at(self, model_rate: int, stream: Stream, edge: Bandwidth) -> Iterator[Tensor]:
        """What the models add to a baseline at one of their rates; the result is at that rate too."""
        step = self.enhancement
        source, reference = tee(stream)
        subtrahend, baseline = tee(step.to_models(block) for block in source)
        added = zip_blocks(torch.sub, self._fused(baseline, edge, model_rate), subtrahend)
        if plan := step.added_band_plan(model_rate, edge):
            added = run(plan, added)
        return mute_silence(
            (step.from_models(block) for block in added), reference, step.receptive_field or self._chunking[2]
        )

    def _fused(self, baseline: Stream, edge: Bandwidth, rate: int) -> Iterator[Tensor]:
        """The models' joint estimate.

        It is made in windows with full context where all receptive fields are bounded, otherwise in cross-faded chunks.
        """
        samples, overlap, context = self._chunking
        field, rows = self.enhancement.receptive_field, self.chunk.batch
        if field is None:
            estimate = partial(self._estimate, stride=samples - overlap, edge=edge, rate=rate)
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
            fused = self._estimate(windows, start - field, stride=samples, edge=edge, rate=rate)
            return fused[:, field : field + samples]

        return run(Plan(inner, samples, samples, field, rows), baseline)

    @property
    def _chunking(self) -> tuple[int, int, int]:
        """Samples of a chunk, of the overlap and of the context, fitted to the models' length multiple."""
        context = round(self.chunk.context * self.enhancement.rates[0])
        return chunking(self.chunk.samples, self.chunk.overlap, context, self.enhancement.length_multiple)

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
