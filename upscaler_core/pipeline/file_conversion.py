"""Processes one recording with a signal line, and writes one output file."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from upscaler_core.atomic import atomic_write
from upscaler_core.dsp.bandwidth import LOW_CONFIDENCE, BandwidthTrack
from upscaler_core.dsp.gain_reduction import GainReductionMeter
from upscaler_core.errors import InputError
from upscaler_core.files.output import Output
from upscaler_core.files.recording import Recording
from upscaler_core.files.tags.losses import loss_sentence, not_carried
from upscaler_core.files.tags.restoration import with_restoration
from upscaler_core.pipeline.events import (
    Advanced,
    Finished,
    OnProgress,
    Planned,
    SegmentResult,
    Stage,
    Started,
    Warned,
    ignore,
)
from upscaler_core.pipeline.headroom import QUIET, write_as_it_is, write_lowered
from upscaler_core.pipeline.signal_line import SignalLine
from upscaler_core.plugins.protocols import AudioInfo, Exporter, Sink


def expected_result(
    line: SignalLine, recording: Recording, output: Output, bandwidth: BandwidthTrack | None = None
) -> Finished:
    """What is known of a file's result before it is done, without a survey."""
    info, line = recording.info, replace(line, target_rate=output.rate)
    expected = Finished(recording.path, output.path, info.rate, output.rate, info.channels, info.seconds or 0)
    if bandwidth is None and line.cutoff_hz is not None:
        bandwidth = line.bandwidth_of([], info.rate)
    if not line.models:
        return replace(expected, note=line.skip_reason(0))
    return _with_segments(expected, line, _segments(line, bandwidth, info.rate)) if bandwidth else expected


def convert(
    line: SignalLine,
    recording: Recording,
    output: Output,
    *,
    bandwidth: BandwidthTrack | None = None,
    strict: bool = False,
    on_event: OnProgress = ignore,
) -> Finished:
    """Send a recording through a signal line into a file.

    Args:
        line: what to do; the output's rate replaces its target rate.
        recording: the open source.
        output: where to, as it was decided.
        bandwidth: where the source's content ends. None = as the line says, or measured in a pass over the source.
        strict: refuse a damaged source instead of decoding what is there.
        on_event: is called with what happens.

    Raises:
        InputError, OutputError: the target is then absent, or as it was.
    """
    began = time.monotonic()
    line, info = replace(line, target_rate=output.rate), recording.info
    surveys = bool(line.models) and line.cutoff_hz is None and bandwidth is None
    on_event(Started(recording.path, info.seconds, passes=1 + surveys))
    survey = Pass(recording, on_event)
    if not line.models:
        bandwidth = None
    elif bandwidth is None:
        bandwidth = line.bandwidth_of(survey, info.rate)
    segments = _segments(line, bandwidth, info.rate)
    restored = [segment for segment in segments if segment.added]
    adds = bool(restored) and not (survey.silent if surveys else _is_silent(recording))
    above_hz = min(segment.cutoff_hz for segment in restored) if adds else None
    info = with_restoration(info, above_hz, line.name or ", ".join(line.models))
    seconds = recording.seconds if surveys else info.seconds
    work = _work(line, segments, seconds, info.channels, surveys) if seconds else {}
    progress = WorkProgress(recording.path, work, on_event)
    line = replace(line, on_window=lambda rate, done: progress.advance(_restoring(rate), done))
    gain_reduction, conversion = GainReductionMeter(), Pass(recording, ignore)

    def compute() -> Iterator[Tensor]:
        nonlocal gain_reduction
        gain_reduction = GainReductionMeter()
        for block in line.stream(conversion, info.rate, bandwidth=bandwidth, gain_reduction=gain_reduction):
            yield block
            progress.advance("write", block.shape[-1] / output.rate)

    with atomic_write(output.path, overwrite=output.overwrite) as part:

        def open_sink() -> Sink:
            return output.exporter.open(part, output.rate, info.channels, info, line.seed)

        if line.headroom == "none" or line.ends_with_limiter:
            written = write_as_it_is(compute(), open_sink)
        else:
            written = write_lowered(
                compute,
                open_sink,
                progress,
                output.rate,
                between_samples=bool(restored or line.finish or output.rate != info.rate),
                copy_in=output.path.parent if restored and not (surveys and survey.peak < QUIET) else None,
            )
        if strict and recording.damage:
            raise InputError(f"{recording.path} is damaged: {recording.damage}")
        lost = not_carried(info, part)
    layout_warning = _layout_warning(output.exporter, info)
    warnings = _warnings(recording.damage, layout_warning, written.clipped, loss_sentence(lost))
    for message in warnings:
        on_event(Warned(recording.path, message))
    silent = bool(line.models) and conversion.silent
    result = _with_segments(expected_result(line, recording, output, bandwidth), line, segments)
    return replace(
        result,
        seconds=recording.seconds,
        frames=written.frames,
        added=result.added and not silent,
        above_replaced=_replaces(line, bandwidth, info.rate),
        note="silence" if silent else result.note,
        clipped=written.clipped,
        lowered_db=written.lowered_db,
        limited_db=gain_reduction.db,
        limited_share=gain_reduction.share,
        elapsed=time.monotonic() - began,
        warnings=warnings,
        damage=recording.damage or "",
        silenced_share=recording.silenced_share,
        not_carried=lost,
    )


class WorkProgress:
    """Tells how far the work on a file is, stage by stage.

    Args:
        path: the file.
        work: seconds of audio that each stage has to do; empty where the length is not known.
        on_event: is called with what happens.
    """

    def __init__(self, path: Path, work: Mapping[Stage, float], on_event: OnProgress) -> None:
        self.path, self.work, self.on_event = path, work, on_event
        if work:
            on_event(Planned(path, work))

    def advance(self, stage: Stage, seconds: float) -> None:
        """A stage has done so many seconds of audio."""
        self.on_event(Advanced(self.path, seconds, stage))

    def again(self, copied: bool) -> None:
        """The file has to be written again: from a copy, or by doing all but the survey once more."""
        if not self.work:
            return
        more = {"lower": self.work["write"]} if copied else {s: 2 * t for s, t in self.work.items() if s != "survey"}
        self.on_event(Planned(self.path, {**self.work, **more}))


class Pass:
    """Passes over a recording. Each iteration is one.

    Args:
        recording: is read.
        on_event: is called after each block of a survey.
    """

    def __init__(self, recording: Recording, on_event: OnProgress) -> None:
        self.recording, self.on_event = recording, on_event
        self.peak = 0.0
        """The largest magnitude so far."""

    @property
    def silent(self) -> bool:
        """Whether everything so far was digital silence."""
        return self.peak == 0

    def __iter__(self) -> Iterator[Tensor]:
        for block in self.recording.blocks():
            if block.numel():
                self.peak = max(self.peak, float(block.abs().max()))
            yield block
            self.on_event(Advanced(self.recording.path, block.shape[-1] / self.recording.info.rate, "survey"))


def _with_segments(result: Finished, line: SignalLine, segments: tuple[SegmentResult, ...]) -> Finished:
    """A result with what follows from its segments."""
    restored = [segment for segment in segments if segment.added]
    cutoff = min((segment.cutoff_hz for segment in restored or segments), default=None)
    return replace(
        result,
        cutoff_hz=cutoff,
        confidence=min((segment.confidence for segment in segments), default=None),
        segments=segments,
        added=bool(restored),
        note="" if restored else line.skip_reason(cutoff or 0),
    )


def _work(
    line: SignalLine, segments: tuple[SegmentResult, ...], seconds: float, channels: int, surveyed: bool
) -> dict[Stage, float]:
    """How many seconds of audio each stage has to do for a source of that length."""
    ends = [*(segment.start_s for segment in segments[1:]), seconds]
    restored = [max(0.0, end - part.start_s) for part, end in zip(segments, ends, strict=False) if part.added]
    work: dict[Stage, float] = {"survey": seconds} if surveyed else {}
    work["write"] = seconds
    for rate in line.model_rates if restored else ():
        work[_restoring(rate)] = channels * sum(line.model_seconds(part, rate) for part in restored)
    return work


def _restoring(rate: int) -> Stage:
    """The stage in which models work at a rate, Hz."""
    return f"restore at {rate / 1000:g} kHz"


def _segments(line: SignalLine, bandwidth: BandwidthTrack | None, rate: int) -> tuple[SegmentResult, ...]:
    """What becomes of each segment of a source at `rate` Hz."""
    return tuple(
        SegmentResult(
            segment.start / rate,
            found.cutoff_hz,
            found.confidence,
            added=not line.skip_reason(found.cutoff_hz),
            sure=found.confidence >= LOW_CONFIDENCE,
            cause=found.cause,
            codec=found.codec,
        )
        for segment in (bandwidth.segments if bandwidth else ())
        for found in [segment.bandwidth]
    )


def _replaces(line: SignalLine, bandwidth: BandwidthTrack | None, rate: int) -> bool:
    """Whether what a source at `rate` Hz has above its edge is taken away, at least in one segment."""
    segments = bandwidth.segments if bandwidth else ()
    return any(line.replaced_band_plan(segment.bandwidth, rate) for segment in segments)


def _layout_warning(exporter: Exporter, info: AudioInfo) -> str | None:
    """What becomes of the source's loudspeakers in a format that cannot name them."""
    warning = getattr(exporter, "layout_warning", None)
    message: str | None = warning(info.layout) if warning else None
    return message


def _is_silent(recording: Recording) -> bool:
    """Whether a recording is nothing but digital silence. Only silence is read."""
    return not any(block.any() for block in recording.blocks())


def _warnings(damage: str | None, layout: str | None, clipped: int, loss: str) -> tuple[str, ...]:
    messages = {
        f"the file is damaged: {damage}; what is there was decoded": damage,
        layout: layout,
        f"{clipped:,} samples were clipped at full scale: add --headroom auto, which lowers the file, --headroom limit, "
        "or --bits float with a WAV output": clipped,
        loss: loss,
    }
    return tuple(message for message, applies in messages.items() if message and applies)
