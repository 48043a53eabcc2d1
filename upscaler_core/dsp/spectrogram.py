"""A spectrogram of a stream of any length, in bounded memory."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from upscaler_core.dsp.bandwidth import blackman_harris, frames
from upscaler_core.dsp.streaming import Stream

COLUMNS = 2000
"""At most so many: when they are full, pairs of them become one."""
RESOLUTION_HZ = 25


def stream_spectrogram(stream: Stream, rate: int) -> tuple[Tensor, float]:
    """Power of a stream of blocks `[channel, time]`: `([column, bin] in dB, seconds a column)`; channels are averaged."""
    size = 1 << math.ceil(math.log2(rate / RESOLUTION_HZ))
    window = blackman_harris(size)
    columns: list[Tensor] = []
    waiting: list[Tensor] = []
    pooled = 1  # frames a column
    for frame in frames(stream, size):
        waiting.append(torch.fft.rfft(frame * window).abs().square().mean(0))
        if len(waiting) == pooled:
            columns.append(torch.stack(waiting).mean(0))
            waiting = []
        if len(columns) == COLUMNS:
            columns = [(a + b) / 2 for a, b in zip(columns[::2], columns[1::2], strict=True)]
            pooled *= 2
    if not columns:
        columns = [torch.stack(waiting).mean(0) if waiting else torch.zeros(size // 2 + 1)]
    return 10 * torch.log10(torch.stack(columns) + 1e-20), pooled * (size // 2) / rate
