"""Validation: fixed clips of recordings that are not trained on, limited at several cut-offs, scored by a metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from upscaler_core.dsp import Resample, lowpass
from upscaler_core.plugins import Metric
from upscaler_train.data.recordings import Recording
from upscaler_train.recipe import ScoringSpec
from upscaler_train.training_system import System

Scores = dict[str, float]
"""The mean score of all clips, by cut-off in Hz."""


@dataclass(frozen=True)
class ValidationClip:
    """A part of a recording, and its inputs by cut-off in Hz. All tensors but the last are `[1, channel, time]`."""

    source: str
    target: Tensor
    inputs: dict[int, Tensor]
    bandwidth_hz: Tensor
    """`[1]`: where the target's content ends."""


class Scoring:
    """Scores systems on the same clips.

    Args:
        spec: how many clips, how long, which cut-offs.
        recordings: where the clips are from.
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
    def clips(self) -> list[ValidationClip]:
        """The clips, made at their first use: of several processes, only one scores."""
        places = [(index + 0.5) / self.spec.clips for index in range(self.spec.clips)]
        return [self._clip(recording, place) for recording in self.recordings for place in places]

    @cached_property
    def edges(self) -> dict[int, float]:
        """Where the inputs' content ends, Hz, by cut-off."""
        return {cutoff: edge_after_resampling(self.resample, self.rate, 2 * cutoff) for cutoff in self.cutoffs}

    def score(self, system: System | None, device: torch.device) -> Scores:
        """The scores of a system. None = the scores of the inputs themselves."""
        return {str(cutoff): self._mean_score(system, cutoff, device) for cutoff in self.cutoffs}

    def is_better(self, score: float, best: float | None) -> bool:
        """Whether a mean score is better than the best one so far."""
        return best is None or (score > best if self.metric.higher_is_better else score < best)

    def example(self, system: System, device: torch.device) -> dict[str, Tensor]:
        """The first clip at the middle cut-off, `[time]` by title: the input, what the system restores, the recording."""
        clip, cutoff = self.clips[0], self.cutoffs[len(self.cutoffs) // 2]
        restored = enhance(system, clip.inputs[cutoff], self.edges[cutoff], device)
        return {
            f"input, to {cutoff / 1000:g} kHz": clip.inputs[cutoff][0, 0],
            "restored": restored[0, 0],
            f"recording ({Path(clip.source).name})": clip.target[0, 0],
        }

    def _mean_score(self, system: System | None, cutoff: int, device: torch.device) -> float:
        scores = [float(self._score_clip(system, clip, cutoff, device)) for clip in self.clips]
        return sum(scores) / len(scores)

    def _score_clip(self, system: System | None, clip: ValidationClip, cutoff: int, device: torch.device) -> Tensor:
        x = clip.inputs[cutoff]
        output = x if system is None else enhance(system, x, self.edges[cutoff], device)
        return self.metric(lowpass(output, clip.bandwidth_hz, self.rate), clip.target, self.rate)

    def _clip(self, recording: Recording, place: float) -> ValidationClip:
        """The clip at a place from 0, the recording's beginning, to 1, its end."""
        audio = recording.read(round(max(0, recording.frames - self.samples) * place), self.samples)
        audio = audio.mean(0, keepdim=True) if self.channels == 1 else audio[:2].expand(2, -1).clone()
        bandwidth = torch.tensor([recording.bandwidth_hz])
        inputs = {cutoff: self._limit(audio, 2 * cutoff)[:, : self.samples][None] for cutoff in self.cutoffs}
        return ValidationClip(recording.source, lowpass(audio[None], bandwidth, self.rate), inputs, bandwidth)

    def _limit(self, audio: Tensor, lower_rate: int) -> Tensor:
        return self.resample(self.resample(audio, self.rate, lower_rate), lower_rate, self.rate)


def mean_score(scores: Scores) -> float:
    """The mean of the scores at all cut-offs."""
    return sum(scores.values()) / len(scores)


def edge_after_resampling(resample: Resample, rate: int, lower_rate: int) -> float:
    """The −6 dB point, in Hz, of resampling to a lower rate and back. A measurement of the result finds the same edge.

    >>> from upscaler_core import discover
    >>> 7_600 < edge_after_resampling(discover().resampler("poly-sinc-hq"), 48_000, 16_000) < 8_000
    True
    """
    impulse = torch.zeros(1, rate)
    impulse[:, rate // 2] = 1
    gain = torch.fft.rfft(resample(resample(impulse, rate, lower_rate), lower_rate, rate)[0, :rate]).abs()
    return float((gain >= 0.5).nonzero()[-1])  # the bins are 1 Hz apart


def enhance(system: System, x: Tensor, cutoff_hz: float, device: torch.device) -> Tensor:
    """The waveform that a system, in evaluation mode, makes of `[1, channel, time]` whose content ends at a cut-off."""
    system.eval()
    with torch.no_grad():
        cutoff = torch.tensor([float(cutoff_hz)], device=device)
        waveform = system(x.to(device), cutoff, torch.zeros(1, dtype=torch.int64, device=device)).waveform
    return waveform.cpu()  # type: ignore[no-any-return]
