"""The contract of bandwidth detectors."""

from __future__ import annotations

import torch
from torch import Tensor

from upscaler_core.dsp.bandwidth import BandwidthTrack
from upscaler_core.plugins.components import Kind
from upscaler_core.testing import signals
from upscaler_core.testing.checks.common import blocks, changed
from upscaler_core.testing.rules import Subject, rule

RATE = 48_000


def survey(subject: Subject, x: Tensor, *, whole: bool) -> BandwidthTrack:
    """Survey `[channel, time]`, in one block or in many."""
    running = subject.built.survey(RATE)
    for block in [x] if whole else blocks(x):
        running.add(block)
    track: BandwidthTrack = running.finish()
    return track


@rule(
    Kind.DETECTOR, "segments begin at sample 0 and are in order; cut-offs lie above 0 and up to the Nyquist frequency"
)
def detector_segments(subject: Subject) -> str | None:
    for x in (signals.band_limited(RATE, 8_000), torch.zeros(2, RATE), signals.noise((1, 100)), torch.zeros(1, 0)):
        before = x.clone()
        track = survey(subject, x, whole=True)
        starts = [segment.start for segment in track.segments]
        if not starts or starts[0] != 0 or starts != sorted(set(starts)):
            return f"segments start at {starts}"
        for segment in track.segments:
            if not 0 < segment.bandwidth.cutoff_hz <= RATE / 2 or not 0 <= segment.bandwidth.confidence <= 1:
                return f"{segment.bandwidth} at {RATE} Hz"
        if fault := changed(before, x):
            return fault
    return None


@rule(Kind.DETECTOR, "the result does not depend on how the signal is cut into blocks")
def detector_streaming(subject: Subject) -> str | None:
    x = signals.band_limited(RATE, 8_000, channels=2)
    same = survey(subject, x, whole=True) == survey(subject, x, whole=False)
    return None if same else "they differ"
