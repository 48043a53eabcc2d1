"""A spectrogram of a stream of any length, in bounded memory."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from upscaler_core.dsp.frames import Frames, blackman_harris
from upscaler_core.dsp.streaming import Stream

MAX_COLUMNS = 2000
"""When there are so many columns, each pair of them is averaged into one."""
RESOLUTION_HZ = 25
"""Bins are at most this wide."""


def stream_spectrogram(stream: Stream, rate: int) -> tuple[Tensor, float]:
    """Compute the power spectrogram of a stream, averaged over channels.

    Args:
        stream: blocks `[channel, time]`.
        rate: Hz.

    Returns:
        `([column, bin] in dB, seconds in each column)`. A sine of amplitude 1 is at 0 dB.
    """
    spectrogram = Spectrogram(rate)
    for block in stream:
        spectrogram.add(block)
    return spectrogram.finish()


class Spectrogram:
    """Computes the spectrogram of a signal that comes in blocks, as `stream_spectrogram` describes it."""

    def __init__(self, rate: int) -> None:
        self.rate, self.size = rate, 1 << max(1, math.ceil(math.log2(rate / RESOLUTION_HZ)))
        self.window = blackman_harris(self.size)
        self.frames = Frames(self.size, self.size // 2)
        self.columns: list[Tensor] = []
        self.pending: list[Tensor] = []
        self.pooled = 1  # frames in each column

    def add(self, block: Tensor) -> None:
        """Take the next block `[channel, time]`."""
        for frame in self.frames.add(block):
            self.pending.append(torch.fft.rfft(frame * self.window).abs().square().mean(0))
            if len(self.pending) == self.pooled:
                self.columns.append(torch.stack(self.pending).mean(0))
                self.pending = []
            if len(self.columns) == MAX_COLUMNS:
                pairs = zip(self.columns[::2], self.columns[1::2], strict=True)
                self.columns = [(a + b) / 2 for a, b in pairs]
                self.pooled *= 2

    def finish(self) -> tuple[Tensor, float]:
        """`([column, bin] in dB, seconds in each column)`."""
        columns = self.columns
        if not columns:
            columns = [torch.stack(self.pending).mean(0) if self.pending else torch.zeros(self.size // 2 + 1)]
        return 10 * torch.log10(torch.stack(columns) + 1e-20), self.pooled * (self.size // 2) / self.rate
