"""Processes one recording with a signal line, and writes one output file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from torch import Tensor

from upscaler_core.atomic import atomic_write
from upscaler_core.dsp.bandwidth import LOW_CONFIDENCE, BandwidthTrack
from upscaler_core.dsp.gain_reduction import GainReductionMeter
from upscaler_core.errors import InputError
from upscaler_core.files.output import Output
from upscaler_core.files.recording import Recording
from upscaler_core.files.tags.losses import loss_sentence, not_carried
from upscaler_core.files.tags.restoration import with_restoration
from upscaler_core.pipeline.events import Advanced, Finished, OnProgress, SegmentResult, Started, Warned, ignore
from upscaler_core.pipeline.headroom import QUIET, write_as_it_is, write_lowered
from upscaler_core.pipeline.signal_line import SignalLine
from upscaler_core.plugins.protocols import AudioInfo, Exporter, Sink


def expected_result(recording: Recording, output: Output) -> Finished:
    """What is known of a file's result before it is done."""
    info = recording.info
    return Finished(recording.path, output.path, info.rate, output.rate, info.channels, info.seconds or 0)


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
    progress = FileProgress(recording, 1 + surveys, on_event)
    survey = Pass(recording, progress)
    if not line.models:
        bandwidth = None
    elif bandwidth is None:
        bandwidth = line.bandwidth_of(survey, info.rate)
    segments = _segments(line, bandwidth, info.rate)
    restored = [segment for segment in segments if segment.added]
    adds = bool(restored) and not (survey.silent if surveys else _is_silent(recording))
    above_hz = min(segment.cutoff_hz for segment in restored) if adds else None
    info = with_restoration(info, above_hz, line.name or ", ".join(line.models))
    gain_reduction, conversion = GainReductionMeter(), Pass(recording, progress)

    def compute() -> Iterator[Tensor]:
        nonlocal gain_reduction
        gain_reduction = GainReductionMeter()
        return line.stream(conversion, info.rate, bandwidth=bandwidth, gain_reduction=gain_reduction)

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
    cutoff = min((segment.cutoff_hz for segment in restored or segments), default=None)
    return replace(
        expected_result(recording, output),
        seconds=recording.seconds,
        frames=written.frames,
        cutoff_hz=cutoff,
        confidence=min((segment.confidence for segment in segments), default=None),
        segments=segments,
        added=bool(restored) and not silent,
        above_replaced=_replaces(line, bandwidth, info.rate),
        note="silence" if silent else "" if restored else line.skip_reason(cutoff or 0),
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


class FileProgress:
    """Tells how far the work on a file is.

    Args:
        recording: the file.
        passes: how often it will be read.
        on_event: is called with what happens.
    """

    def __init__(self, recording: Recording, passes: int, on_event: OnProgress) -> None:
        self.path, self.seconds, self.on_event = recording.path, recording.info.seconds, on_event
        self.left = passes * (self.seconds or 0.0)
        """Seconds of audio that are still to be told of."""
        self.weight = 1.0
        """Seconds that are told for each second that is done: less, where there is more to do than was said at first."""

    def more(self, cost: float) -> None:
        """The file needs so many more passes than was said. What is left to tell is shared out among all of them."""
        if self.seconds:
            left = max(0.0, self.left)
            self.weight *= left / (left + self.weight * cost * self.seconds)

    def advance(self, share: float, cost: float) -> None:
        """A share, 0 … 1, of such a pass is done."""
        self.read(share * cost * (self.seconds or 0.0))

    def read(self, seconds: float) -> None:
        """So many seconds of the file were read."""
        self.left -= self.weight * seconds
        self.on_event(Advanced(self.path, self.weight * seconds))


class Pass:
    """Passes over a recording. Each iteration is one.

    Args:
        recording: is read.
        progress: is told of each block.
    """

    def __init__(self, recording: Recording, progress: FileProgress) -> None:
        self.recording, self.progress = recording, progress
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
            self.progress.read(block.shape[-1] / self.recording.info.rate)


def _segments(line: SignalLine, bandwidth: BandwidthTrack | None, rate: int) -> tuple[SegmentResult, ...]:
    """What becomes of each segment of a source at `rate` Hz."""
    return tuple(
        SegmentResult(
            segment.start / rate,
            found.cutoff_hz,
            found.confidence,
            added=not line.skip_reason(found.cutoff_hz),
            sure=found.confidence >= LOW_CONFIDENCE,
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
        "or --set 'export={use: wav, bits: float}'": clipped,
        loss: loss,
    }
    return tuple(message for message, applies in messages.items() if message and applies)
