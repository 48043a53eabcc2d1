"""One straight line from a band-limited signal to a full-band one.

    source ─┬─► resample to the target rate ───────────────────────────────────────────────────────────────► (+) ─► finish
            └─► resample to the models' rate ─┬─► chunks ─► models ─► fuse ─► join ─► (−) ─► high-pass ─► resample ─┘
                                              └───────────── baseline ───────────────┘

The source passes through; models only add, from where the source's edge begins. Those that work at twice their rate too
are run again there, on what they restored, to restore the octave above it. Every arrow is a generator of blocks
`[channel, time]`, so memory does not grow with the signal.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import torch
from torch import Tensor

from upscaler_core import filters, measure
from upscaler_core.errors import PluginError, UsageError
from upscaler_core.measure import Bandwidth
from upscaler_core.protocols import Conditions, EnhancementModel, Estimate, Finisher, FusionStrategy, Plan, Resampler
from upscaler_core.streaming import Resample, Stream, chunking, combine, crossfade, head, hush, run, split

if TYPE_CHECKING:
    import numpy as np

    from upscaler_core.events import Finished

FULL_BAND_HZ = 19_000
"""From here up a source is full band: few people hear what could be added."""
LIVE_SURVEY_SECONDS = 10
"""A live stream is held back this long to measure its cut-off."""
TRUSTED = 0.75
"""Of half a rate: from here the next octave is added. Models let a band's top fall, as in the recordings they know."""
UNREADABLE = 1e-9
"""From samples below this no gain is read: rounding may have made it."""


@dataclass(frozen=True)
class Chunk:
    """How the models' input is cut (white paper §6.2); samples at the models' rate."""

    samples: int = 96_000
    overlap: int = 4_800
    context: float = 0.5
    """Seconds on each side that models of unbounded reach are given and that are thrown away, at their first rate."""
    batch: int = 1
    """Chunks in each call of a model, on a GPU. A processor takes them one by one: it is no slower, and the last bits of a
    matrix product change with the number of its rows."""


@dataclass
class Reduction:
    """How far down limiters turned a signal, and how often: call it with the signal before and after each of them."""

    db: float = 0.0
    """At most, dB."""
    limited: int = 0
    """Samples that were turned down."""
    samples: int = 0
    """All samples that went through a limiter."""

    @property
    def share(self) -> float:
        """The part of the samples that was turned down, 0 … 1."""
        return self.limited / max(self.samples, 1)

    def __call__(self, before: Tensor, after: Tensor) -> Tensor:
        """`[channel, time]` before and after; all channels have one gain. Returns `after`."""
        loud, left = before.abs().amax(0), after.abs().amax(0)
        turned = left < loud
        self.samples += turned.numel()
        self.limited += int(turned.count_nonzero())
        readable = turned & (left > UNREADABLE)
        if readable.any():
            self.db = max(self.db, 20 * math.log10(float((loud[readable] / left[readable]).max())))
        return after


@dataclass(frozen=True)
class Pipeline:
    """Objects in the order in which the signal meets them. Assemble it by hand, or from a pipeline file (`assemble`).

    Args:
        resampler: a `Resampler`, or what `discover().resampler(name)` returns.
        target_rate: Hz.
        models: enhancement models by name, with a rate in common; none = the resampler alone.
        fusion: joins the models' estimates; with one model that returns a waveform it may be left out.
        finish: finishers, in order.
        stereo: treat two channels each by itself, or as mid and side. Other channel counts are always independent.
        chunk: how the models' input is cut.
        cutoff_hz: where the source's content ends; None = measured.
        keep_source_band: high-pass what the models add where the edge begins. False = the white paper's literal fusion.
        seed: for everything drawn by chance.
        device: where the models run, as torch names it.
    """

    resampler: Resample | Resampler
    target_rate: int = 96_000
    models: Mapping[str, EnhancementModel] = field(default_factory=dict)
    fusion: FusionStrategy | None = None
    finish: Sequence[Finisher] = ()
    stereo: Literal["independent", "mid-side"] = "independent"
    chunk: Chunk = Chunk()
    cutoff_hz: float | None = None
    keep_source_band: bool = True
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.models and not self._model_rates:
            rates = ", ".join(f"{name}: {model.rate} Hz" for name, model in self.models.items())
            raise UsageError(f"the models of one pipeline must work at one rate, not at {rates}")
        if len(self.models) > 1 and self.fusion is None:
            raise UsageError(f"{len(self.models)} models need a fusion to join them")

    @overload
    def __call__(self, audio: Tensor, rate: int) -> Tensor: ...

    @overload
    def __call__(self, audio: np.ndarray[Any, Any], rate: int) -> np.ndarray[Any, Any]: ...

    def __call__(self, audio: Tensor | np.ndarray[Any, Any], rate: int) -> Tensor | np.ndarray[Any, Any]:
        """Enhance a whole signal.

        Args:
            audio: `[batch, channel, time]`, `[channel, time]` or `[time]`, full scale ±1.0; a tensor or an array.
            rate: Hz.

        Returns:
            The same type, float32, with the same leading dimensions and `ceil(time * target_rate / rate)` samples.
        """
        x = torch.as_tensor(audio)
        if not x.is_floating_point():
            raise UsageError(f"audio must be floating point at full scale ±1.0, not {x.dtype}")
        x = x.to(torch.float32)
        channels = x.shape[-2] if x.dim() > 1 else 1
        signals = x.reshape(math.prod(x.shape[:-2]), channels, x.shape[-1])
        outs = []
        for signal in signals:
            edge = self.edge_of([signal], rate) if self.models else None
            outs.append(torch.cat([signal[:, :0], *self.stream([signal], rate, edge=edge)], -1))
        out = torch.stack(outs)
        out = out.reshape(*x.shape[:-1], out.shape[-1])
        return out if isinstance(audio, Tensor) else out.numpy()

    def stream(
        self, stream: Stream, rate: int, *, edge: Bandwidth | None = None, reduction: Reduction | None = None
    ) -> Iterator[Tensor]:
        """Enhance blocks `[channel, time]` (tensors or arrays) as they come, at `rate` Hz; yields blocks at the target rate.

        Where the content's edge is neither given here nor fixed in the pipeline, the first 10 seconds are held back to
        measure it. The joined output does not depend on how the input was blocked. `reduction` is told what limiters do.
        """
        stream = (torch.as_tensor(block, dtype=torch.float32) for block in stream)
        if self.models and edge is None:
            blocks, stream = head(stream, LIVE_SURVEY_SECONDS * rate if self.cutoff_hz is None else 0)
            edge = self.edge_of(blocks, rate)
        if edge is None or self.nothing_to_add(edge.cutoff_hz):
            out = self._resample(stream, rate, self.target_rate)
        else:
            if self._model_rate == self.target_rate:
                stream, rate = self._resample(stream, rate, self.target_rate), self.target_rate
            straight, feed = split(stream)
            added = self._added(feed, rate, edge, self._model_rate)
            out = combine(torch.add, self._resample(straight, rate, self.target_rate), added)
        for finisher in self.finish:
            plan = finisher.plan(self.target_rate)
            if reduction is not None and getattr(finisher, "limits", False):
                before, out = split(out)
                out = combine(reduction, before, run(plan, out, joint=True))
            else:
                out = run(plan, out, joint=True)
        return out

    def write(self, source: str | Path, target: str | Path, **options: Any) -> Finished:
        """Enhance a file into a file; the suffix picks the exporter. Options: see `audio.convert`."""
        from upscaler_core.audio import convert

        return convert(self, Path(source), Path(target), **options)

    def edge_of(self, stream: Stream, rate: int) -> Bandwidth:
        """Where a source's content ends: as given, or measured over the whole stream."""
        return measure.survey(stream, rate).bandwidth() if self.cutoff_hz is None else Bandwidth(self.cutoff_hz)

    def nothing_to_add(self, cutoff_hz: float) -> str:
        """Why the models add nothing to a source that ends at `cutoff_hz`; empty where they do."""
        if not self.models:
            return "no model"
        if cutoff_hz >= min(FULL_BAND_HZ, 0.9 * self._model_rate / 2):
            return f"full band: content to {cutoff_hz / 1000:.1f} kHz"
        if cutoff_hz >= self.target_rate / 2:
            return f"content to {cutoff_hz / 1000:.1f} kHz fills the target's band"
        return ""

    @property
    def _model_rates(self) -> list[int]:
        """The rates that all models work at, in the order of the first one's liking."""
        able = [(model.rate, *getattr(model, "other_rates", ())) for model in self.models.values()]
        return [rate for rate in able[0] if all(rate in rates for rates in able)]

    @property
    def _model_rate(self) -> int:
        """The first of them that the target's is a multiple of: its band ends where the target's does, or octaves below."""
        return next((rate for rate in self._model_rates if self.target_rate % rate == 0), self._model_rates[0])

    def _resample(self, stream: Stream, rate_in: int, rate_out: int) -> Iterator[Tensor]:
        resample = self.resampler if isinstance(self.resampler, Resample) else Resample(self.resampler)
        return resample.stream(stream, rate_in, rate_out)

    def _added(self, stream: Stream, rate: int, edge: Bandwidth, model_rate: int) -> Iterator[Tensor]:
        """What the models add to a signal, at the target rate: up to their Nyquist frequency, then an octave at a time."""
        baseline = self._resample(stream, rate, model_rate)
        octave_up = 2 * model_rate
        if octave_up not in self._model_rates or self.target_rate % octave_up:
            return self._resample(self._added_at(model_rate, baseline, edge), model_rate, self.target_rate)
        below, given = split(baseline)
        added, again = split(self._added_at(model_rate, given, edge))
        restored = combine(torch.add, below, again)
        top = Bandwidth(max(edge.cutoff_hz, TRUSTED * model_rate / 2))
        above = self._added(restored, model_rate, top, octave_up)
        return combine(torch.add, self._resample(added, model_rate, self.target_rate), above)

    def _added_at(self, model_rate: int, stream: Stream, edge: Bandwidth) -> Iterator[Tensor]:
        """What the models add to a baseline at a rate of theirs, at that rate."""
        turn = _mid_side if self.stereo == "mid-side" else _as_is
        source, sounding = split(stream)
        kept, given = split(turn(block, 0.5) for block in source)
        added = combine(torch.sub, self._fused(given, edge, model_rate), kept)
        if self.keep_source_band:
            added = run(filters.highpass(model_rate, edge.begin_hz), added)
        return hush((turn(block, 1.0) for block in added), sounding, self._reach or self._chunking[2])

    def _fused(self, baseline: Stream, edge: Bandwidth, rate: int) -> Iterator[Tensor]:
        """The models' joint estimate: exact windows where every reach is bounded, else chunks with context and fades."""
        samples, overlap, context = self._chunking
        reach, rows = self._reach, self.chunk.batch
        if reach is None:
            estimate = partial(self._estimate, stride=samples - overlap, edge=edge, rate=rate)
            return crossfade(
                estimate, baseline, samples=samples, overlap=overlap, context=context, granule=self._granule, rows=rows
            )

        def inner(windows: Tensor, start: int) -> Tensor:
            fused = self._estimate(windows, start - reach, stride=samples, edge=edge, rate=rate)
            return fused[:, reach : reach + samples]

        return run(Plan(inner, samples, samples, reach, rows), baseline)

    @property
    def _granule(self) -> int:
        return math.lcm(*(model.granule for model in self.models.values()))

    @property
    def _chunking(self) -> tuple[int, int, int]:
        context = round(self.chunk.context * self._model_rates[0])
        return chunking(self.chunk.samples, self.chunk.overlap, context, self._granule)

    @property
    def _reach(self) -> int | None:
        """Reach of models and fusion together, in whole granules; None where one of them is unbounded."""
        reaches = [model.reach for model in self.models.values()]
        fusion = getattr(self.fusion, "reach", None) if self.fusion else 0
        bounded = [reach for reach in reaches if reach is not None]
        if fusion is None or len(bounded) < len(reaches):
            return None
        return -(-(max(bounded) + fusion) // self._granule) * self._granule

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
        about = Conditions(cutoffs, start + stride * rows, rate, self.seed, begin_hz=begins)
        with torch.no_grad():
            estimates = {name: model(baseline, about) for name, model in self.models.items()}
            fused = self.fusion(estimates, baseline, about) if self.fusion else _waveform(estimates)
        if fused.shape != baseline.shape:
            raise PluginError(f"models and fusion returned {list(fused.shape)} for a baseline {list(baseline.shape)}")
        return fused[:, 0].to(windows)


def _waveform(estimates: Mapping[str, Estimate]) -> Tensor:
    ((name, estimate),) = estimates.items()
    if estimate.waveform is None:
        raise UsageError(f"the model '{name}' gives a magnitude, no waveform: the pipeline needs a fusion")
    return estimate.waveform


def _mid_side(block: Tensor, scale: float) -> Tensor:
    """Left and right to mid and side (scale 0.5), and back (scale 1); other channel counts pass."""
    if block.shape[0] != 2:
        return block
    return torch.stack([block[0] + block[1], block[0] - block[1]]) * scale


def _as_is(block: Tensor, scale: float) -> Tensor:
    return block
