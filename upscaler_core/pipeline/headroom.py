"""Lowers a finished signal once, by one constant gain, where it would clip in its file.

How far is known only at the signal's end. So a file is written as if nothing clipped, and the peak is measured meanwhile.
Most signals stay below full scale, and then that is all. Otherwise the file is written again, lowered. The models do not run
twice: where they have run, the signal is read from a temporary copy, a file without a name in the output's folder.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from upscaler_core.dsp.streaming import Stream
from upscaler_core.dsp.true_peak import PeakMeter

if TYPE_CHECKING:
    from upscaler_core.pipeline.events import Stage
    from upscaler_core.plugins.protocols import Sink

Headroom = Literal["auto", "limit", "none"]

CEILING_DB = -0.01
"""Peak of a lowered signal, dBTP. The distance to 0 leaves room for what other meters read differently."""
QUIET = 0.25
"""Peak of a source that surely does not clip after it was restored. Should it do so, the signal is computed again."""
BLOCK = 65_536
"""Samples of each channel that are read from the copy at a time."""


@dataclass(frozen=True)
class Written:
    """What became of a signal in its file."""

    frames: int
    """Samples of each channel."""
    clipped: int
    """Samples that were clamped at full scale."""
    lowered_db: float = 0.0
    """By how much the signal was lowered, dB."""


class Progress(Protocol):
    """Is told how far the work is."""

    def again(self, copied: bool) -> None:
        """The file has to be written again: from a copy, or else by computing the signal once more."""
        ...

    def advance(self, stage: Stage, seconds: float) -> None:
        """A stage has done so many seconds of audio."""
        ...


def write_as_it_is(signal: Stream, open_sink: Callable[[], Sink]) -> Written:
    """Write a signal. Where its format has no room above full scale, the sink clamps it."""
    with open_sink() as sink:
        frames = _write(signal, sink)
    return Written(frames, sink.clipped)


def write_lowered(
    compute: Callable[[], Stream],
    open_sink: Callable[[], Sink],
    progress: Progress,
    rate: int,
    *,
    between_samples: bool,
    copy_in: Path | None = None,
) -> Written:
    """Write a signal. Where it would clip, lower all of it so that its peak is `CEILING_DB`.

    Args:
        compute: begins the signal at its first sample; the samples are the same each time.
        open_sink: opens the output's file at its first byte.
        progress: is told of the second pass.
        rate: of the signal, Hz.
        between_samples: the peaks between the samples count too.
        copy_in: a folder for a copy of the signal; None = it is computed again if it has to be written again.

    Raises:
        OSError: the copy cannot be written.
    """
    meter, copy = PeakMeter(between_samples=between_samples), None
    with ExitStack() as stack:
        try:
            with open_sink() as sink:
                if getattr(sink, "floating", False):
                    frames = _write(compute(), sink)
                else:
                    if copy_in:
                        copy = SignalCopy(stack.enter_context(tempfile.TemporaryFile(dir=copy_in)))
                    signal = copy.filled(compute()) if copy else compute()
                    frames = _write_unless_it_clips(
                        meter.watch(signal), sink, meter, lambda: progress.again(copied=copy is not None)
                    )
            return Written(frames, sink.clipped)
        except _Clips:
            gain = 10 ** (CEILING_DB / 20) / meter.peak
            signal = copy.blocks(progress, rate) if copy else compute()
            written = write_as_it_is((gain * block for block in signal), open_sink)
            return Written(written.frames, written.clipped, -20 * math.log10(gain))


class _Clips(Exception):
    """The signal exceeds full scale: what was written of it does not count."""


def _write(signal: Stream, sink: Sink) -> int:
    """Write a signal; return its length in samples."""
    frames = 0
    for block in signal:
        sink.write(block)
        frames += block.shape[-1]
    return frames


def _write_unless_it_clips(signal: Stream, sink: Sink, meter: PeakMeter, on_clip: Callable[[], None]) -> int:
    """Write a signal that `meter` watches, up to where it clips; return its length in samples.

    Raises:
        _Clips: at the signal's end, when its peak is known.
    """
    frames, clips = 0, False
    for block in signal:
        if meter.peak <= 1:
            sink.write(block)
        elif not clips:
            clips = True
            on_clip()
        frames += block.shape[-1]
    if clips:
        raise _Clips
    return frames


class SignalCopy:
    """A copy of a signal in a file, as 32-bit floats.

    Args:
        file: an empty file, open for writing and reading.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._frames = self._channels = 0

    def filled(self, signal: Stream) -> Iterator[Tensor]:
        """Yield the blocks `[channel, time]` of a signal, each after it was copied."""
        for block in signal:
            self._file.write(np.ascontiguousarray(block.float().numpy().T).data)
            self._channels, self._frames = block.shape[0], self._frames + block.shape[-1]
            yield block

    def blocks(self, progress: Progress, rate: int) -> Iterator[Tensor]:
        """Yield blocks `[channel, time]` of the copy, from its first sample."""
        self._file.seek(0)
        while data := self._file.read(4 * self._channels * BLOCK):
            block = torch.frombuffer(bytearray(data), dtype=torch.float32).view(-1, self._channels).T
            yield block
            progress.advance("lower", block.shape[-1] / rate)
