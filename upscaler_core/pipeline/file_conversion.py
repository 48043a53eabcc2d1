"""Processes one recording with a signal line, and writes one output file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from torch import Tensor

from upscaler_core.atomic import atomic_write
from upscaler_core.dsp.bandwidth import BandwidthTrack
from upscaler_core.dsp.gain_reduction import GainReductionMeter
from upscaler_core.errors import InputError
from upscaler_core.files.output import Output
from upscaler_core.files.recording import Recording
from upscaler_core.pipeline.events import Advanced, Finished, OnProgress, SegmentResult, Started, Warned, ignore
from upscaler_core.pipeline.signal_line import SignalLine


def expected_result(recording: Recording, output: Output) -> Finished:
    """What is known of a file's result before it is done."""
    info = recording.info
    return Finished(recording.path, output.path, info.rate, output.rate, info.channels, info.seconds or 0)


def convert(
    line: SignalLine, recording: Recording, output: Output, *, strict: bool = False, on_event: OnProgress = ignore
) -> Finished:
    """Send a recording through a signal line into a file.

    Args:
        line: what to do; the output's rate replaces its target rate.
        recording: the open source.
        output: where to, as it was decided.
        strict: refuse a damaged source instead of decoding what is there.
        on_event: is called with what happens.

    Raises:
        InputError, OutputError: the target is then absent, or as it was.
    """
    began = time.monotonic()
    line, info = replace(line, target_rate=output.rate), recording.info
    surveys = bool(line.models) and line.cutoff_hz is None
    on_event(Started(recording.path, info.seconds, passes=1 + surveys))
    track = line.bandwidth_of(_with_progress(recording, on_event), info.rate) if line.models else None
    gain_reduction, written = GainReductionMeter(), 0
    with atomic_write(output.path) as part:
        with output.exporter.open(part, output.rate, info.channels, info, line.seed) as sink:
            for block in line.stream(
                _with_progress(recording, on_event), info.rate, bandwidth=track, gain_reduction=gain_reduction
            ):
                sink.write(block)
                written += block.shape[-1]
        if strict and recording.damage:
            raise InputError(f"{recording.path} is damaged: {recording.damage}")
    warnings = _warnings(recording.damage, sink.clipped)
    for message in warnings:
        on_event(Warned(recording.path, message))
    return replace(
        expected_result(recording, output),
        seconds=recording.seconds,
        frames=written,
        **_restoration(line, track, info.rate),
        clipped=sink.clipped,
        limited_db=gain_reduction.db,
        limited_share=gain_reduction.share,
        elapsed=time.monotonic() - began,
        warnings=warnings,
    )


def _restoration(line: SignalLine, track: BandwidthTrack | None, rate: int) -> dict[str, Any]:
    """Those fields of a `Finished` that tell what was restored of a source at `rate` Hz, and from where."""
    if track is None:
        return {"note": line.skip_reason(0)}
    everything = [segment.bandwidth for segment in track.segments]
    restored = [bandwidth for bandwidth in everything if not line.skip_reason(bandwidth.cutoff_hz)]
    lowest = min(restored or everything, key=lambda bandwidth: bandwidth.cutoff_hz)
    segments = [
        SegmentResult(part.start / rate, bandwidth.cutoff_hz, bandwidth.confidence, bandwidth in restored)
        for part, bandwidth in zip(track.segments, everything, strict=True)
    ]
    return {
        "cutoff_hz": lowest.cutoff_hz,
        "confidence": lowest.confidence if line.cutoff_hz is None else None,
        "segments": () if track.is_constant else tuple(segments),
        "added": bool(restored),
        "above_replaced": any(line.replaced_band_plan(bandwidth, rate) for bandwidth in restored),
        "note": "" if restored else line.skip_reason(lowest.cutoff_hz),
    }


def _with_progress(recording: Recording, on_event: OnProgress) -> Iterator[Tensor]:
    """One pass over a recording, which tells how far it is."""
    for block in recording.blocks():
        yield block
        on_event(Advanced(recording.path, block.shape[-1] / recording.info.rate))


def _warnings(damage: str | None, clipped: int) -> tuple[str, ...]:
    messages = {
        f"the file is damaged: {damage}; what is there was decoded": damage,
        f"{clipped} samples were clipped at full scale: lower the level, or write float WAV": clipped,
    }
    return tuple(message for message, applies in messages.items() if applies)
