"""Validation: fixed clips of recordings that are not trained on, limited at several cut-offs, scored by a metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from upscaler_core.dsp import Resample, lowpass
from upscaler_core.plugins import Metric
from upscaler_train.recipe import ScoringSpec
from upscaler_train.recordings import Recording
from upscaler_train.system import System

Scores = dict[str, float]
"""The mean score of all clips, by cut-off in Hz."""


@dataclass(frozen=True)
class Clip:
    """A validation clip, `[1, channel, time]`, and its inputs by cut-off."""

    source: str
    target: Tensor
    inputs: dict[int, Tensor]
    bandwidth_hz: Tensor
    """`[1]`."""


class Scoring:
    """Scores systems on the same clips.

    Args:
        spec: how many clips, how long, which cut-offs.
        recordings: where they are from.
        metric: scores an estimate.
        resample: makes the inputs: down to twice the cut-off and up again.
        rate: Hz.
        samples: a clip's length.
        channels: 1 or 2.
    """

    def __init__(
        self,
        spec: ScoringSpec,
        recordings: Sequence[Recording],
        metric: Metric,
        resample: Resample,
        rate: int,
        samples: int,
        channels: int,
    ) -> None:
        self.spec, self.recordings, self.metric, self.resample = spec, recordings, metric, resample
        self.rate, self.samples, self.channels, self.cutoffs = rate, samples, channels, spec.cutoffs

    @cached_property
    def clips(self) -> list[Clip]:
        """Made when they are wanted: of several processes, one scores."""
        return [
            _clip(recording, place, self.samples, self.channels, self.cutoffs, self.resample, self.rate)
            for recording in self.recordings
            for place in [(index + 0.5) / self.spec.clips for index in range(self.spec.clips)]
        ]

    @cached_property
    def ends(self) -> dict[int, float]:
        """Where the inputs' content ends, Hz, by cut-off."""
        return {cutoff: end_of(self.resample, self.rate, 2 * cutoff) for cutoff in self.cutoffs}

    def of(self, system: System | None, device: torch.device) -> Scores:
        """The score of a system; None does nothing."""
        return {str(cutoff): self._mean(system, cutoff, device) for cutoff in self.cutoffs}

    def better(self, score: float, best: float | None) -> bool:
        """Whether a mean score is an improvement."""
        return best is None or (score > best if self.metric.higher_is_better else score < best)

    def _mean(self, system: System | None, cutoff: int, device: torch.device) -> float:
        scores = [float(self._score(system, clip, cutoff, device)) for clip in self.clips]
        return sum(scores) / len(scores)

    def _score(self, system: System | None, clip: Clip, cutoff: int, device: torch.device) -> Tensor:
        x = clip.inputs[cutoff]
        heard = x if system is None else enhanced(system, x, self.ends[cutoff], device)
        return self.metric(lowpass(heard, clip.bandwidth_hz, self.rate), clip.target, self.rate)


def mean(scores: Scores) -> float:
    """One number of all cut-offs."""
    return sum(scores.values()) / len(scores)


def end_of(resample: Resample, rate: int, lower: int) -> float:
    """The −6 dB point, in Hz, of going down to a lower rate and up again: what a survey of the result finds.

    >>> from upscaler_core import discover
    >>> 7_600 < end_of(discover().resampler("poly-sinc-hq"), 48_000, 16_000) < 8_000
    True
    """
    impulse = torch.zeros(1, rate)
    impulse[:, rate // 2] = 1
    gain = torch.fft.rfft(resample(resample(impulse, rate, lower), lower, rate)[0, :rate]).abs()
    return float((gain >= 0.5).nonzero()[-1])  # bins of 1 Hz


def enhanced(system: System, x: Tensor, cutoff_hz: float, device: torch.device) -> Tensor:
    """What a system, in evaluation mode, makes of `[1, channel, time]` that ends at a cut-off."""
    system.eval()
    with torch.no_grad():
        cutoff = torch.tensor([float(cutoff_hz)], device=device)
        heard = system(x.to(device), cutoff, torch.zeros(1, dtype=torch.int64, device=device)).waveform
    return heard.cpu()  # type: ignore[no-any-return]


def _clip(
    recording: Recording,
    place: float,
    samples: int,
    channels: int,
    cutoffs: Sequence[int],
    resample: Resample,
    rate: int,
) -> Clip:
    audio = recording.read(round(max(0, recording.frames - samples) * place), samples)
    audio = audio.mean(0, keepdim=True) if channels == 1 else audio[:2].expand(2, -1).clone()
    bandwidth = torch.tensor([recording.bandwidth_hz])
    inputs = {
        cutoff: resample(resample(audio, rate, 2 * cutoff), 2 * cutoff, rate)[:, :samples][None] for cutoff in cutoffs
    }
    return Clip(recording.source, lowpass(audio[None], bandwidth, rate), inputs, bandwidth)
