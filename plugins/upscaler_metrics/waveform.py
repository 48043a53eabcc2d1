"""Distances between waveforms."""

from __future__ import annotations

from torch import Tensor

from upscaler_core import Options
from upscaler_metrics.spectrogram import decibels


class SiSdr:
    """The metric `si-sdr` (Le Roux, Wisdom, Erdogan and Hershey, "SDR - half-baked or well done?", 2019).

    With the estimate e, the target t and α = ⟨e, t⟩ / ⟨t, t⟩, it is the energy of α·t divided by that of e − α·t.
    """

    unit = "dB"
    higher_is_better = True

    def __init__(self, options: Options) -> None:
        del options

    def __call__(self, estimate: Tensor, target: Tensor, rate: int) -> Tensor:
        """Two `[batch, channel, time]` -> `[batch]`, dB, mean over channels."""
        del rate
        e, t = estimate.double(), target.double()
        scale = (e * t).sum(-1, keepdim=True) / t.square().sum(-1, keepdim=True).clamp(min=1e-30)
        return decibels((scale * t).square().mean(-1), (e - scale * t).square().mean(-1)).mean(-1).float()


class LevelChange:
    """The metric `level-change`: the absolute difference of the RMS levels over all channels and the whole time."""

    unit = "dB"
    higher_is_better = False

    def __init__(self, options: Options) -> None:
        del options

    def __call__(self, estimate: Tensor, target: Tensor, rate: int) -> Tensor:
        """Two `[batch, channel, time]` -> `[batch]`, dB, at least 0."""
        del rate
        levels = (x.double().square().mean((-2, -1)) for x in (estimate, target))
        return decibels(*levels).abs().float()
