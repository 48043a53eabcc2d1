"""A spectrogram of a stream of any length, in bounded memory."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from upscaler_core.dsp.bandwidth import blackman_harris, frames
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
    size = 1 << math.ceil(math.log2(rate / RESOLUTION_HZ))
    window = blackman_harris(size)
    columns: list[Tensor] = []
    pending: list[Tensor] = []
    pooled = 1  # frames in each column
    for frame in frames(stream, size):
        pending.append(torch.fft.rfft(frame * window).abs().square().mean(0))
        if len(pending) == pooled:
            columns.append(torch.stack(pending).mean(0))
            pending = []
        if len(columns) == MAX_COLUMNS:
            columns = [(a + b) / 2 for a, b in zip(columns[::2], columns[1::2], strict=True)]
            pooled *= 2
    if not columns:
        columns = [torch.stack(pending).mean(0) if pending else torch.zeros(size // 2 + 1)]
    return 10 * torch.log10(torch.stack(columns) + 1e-20), pooled * (size // 2) / rate
