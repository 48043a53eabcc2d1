"""A detector: content ends at the highest frequency whose mean level is not far below the loudest one.

A survey takes a recording in blocks of any length. Its frames lie on a grid from sample 0, so that the result does not
depend on how the recording was cut, and it keeps sums only, so that its memory does not grow.
"""

from __future__ import annotations

import torch
from torch import Tensor
from upscaler_core.dsp import Bandwidth, BandwidthTrack

from upscaler_example.plugin import ThresholdOptions

SIZE = 2_048
"""Samples of a frame."""


class Threshold:
    """The detector."""

    def __init__(self, options: ThresholdOptions) -> None:
        self.depth_db = options.depth_db

    def survey(self, rate: int) -> ThresholdSurvey:
        """Begin the survey of a recording at `rate` Hz."""
        return ThresholdSurvey(rate, self.depth_db)


class ThresholdSurvey:
    """The survey of one recording."""

    def __init__(self, rate: int, depth_db: float) -> None:
        self.rate, self.depth_db = rate, depth_db
        self.window = torch.hann_window(SIZE)
        self.power = torch.zeros(SIZE // 2 + 1, dtype=torch.float64)
        self.rest: list[Tensor] = []  # what does not fill a frame yet

    def add(self, block: Tensor) -> None:
        """Take the next block `[channel, time]`."""
        signal = torch.cat([*self.rest, block], -1)
        end = signal.shape[-1] // SIZE * SIZE
        for start in range(0, end, SIZE):
            frame = signal[:, start : start + SIZE] * self.window
            self.power += torch.fft.rfft(frame).abs().double().square().sum(0)
        self.rest = [signal[:, end:].clone()]

    def finish(self) -> BandwidthTrack:
        """One bandwidth for the whole recording; all of the band for silence."""
        level = 10 * torch.log10(self.power + 1e-12)
        highest = int((level >= level.max() - self.depth_db).nonzero().max())
        return BandwidthTrack.constant(Bandwidth(min((highest + 1) / SIZE, 0.5) * self.rate))
