"""Perceptual metrics from other packages: ViSQOL, PESQ and STOI. They predict how listeners would score a channel.

Each has its own sample rate, to which both signals are resampled: 48 kHz for ViSQOL's audio mode, and 16 kHz for PESQ (8 kHz
in narrow band). STOI resamples to 10 kHz itself. Therefore PESQ ignores everything above 8 kHz, and STOI above 5 kHz.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from upscaler_core import Options, discover
from upscaler_metrics.options import PesqOptions, StoiOptions

ScoreFunction = Callable[[Tensor, Tensor], float]
"""A function of an estimate and a target, `[time]` each."""


class Visqol:
    """The metric `visqol`: MOS-LQO of ViSQOL 3 in audio mode (Chinen and others, "ViSQOL v3", 2020)."""

    unit = "MOS"
    higher_is_better = True
    rate = 48_000

    def __init__(self, options: Options) -> None:
        from visqol import VisqolApi

        del options
        self.api = VisqolApi()
        self.api.create(mode="audio")

    def __call__(self, estimate: Tensor, target: Tensor, rate: int) -> Tensor:
        """Two `[batch, channel, time]` -> `[batch]`, 1 … 5. It takes about half as long as the audio lasts."""
        return mean_over_channels(self._score, *resample_all((estimate, target), rate, self.rate))

    def _score(self, estimate: Tensor, target: Tensor) -> float:
        pair = target.double().numpy(), estimate.double().numpy()
        return float(self.api.measure_from_arrays(*pair, sample_rate=self.rate).moslqo)


class Pesq:
    """The metric `pesq`: MOS-LQO of ITU-T P.862.2 (wide band) or P.862 (narrow band)."""

    unit = "MOS"
    higher_is_better = True

    def __init__(self, options: PesqOptions) -> None:
        import pesq

        self.pesq, self.mode = pesq, options.mode
        self.rate = 16_000 if options.mode == "wb" else 8_000

    def __call__(self, estimate: Tensor, target: Tensor, rate: int) -> Tensor:
        """Two `[batch, channel, time]` -> `[batch]`, 1 … 4.64; NaN if PESQ detects no speech."""
        return mean_over_channels(self._score, *resample_all((estimate, target), rate, self.rate))

    def _score(self, estimate: Tensor, target: Tensor) -> float:
        no_exception = self.pesq.PesqError.RETURN_VALUES
        score = self.pesq.pesq(self.rate, target.numpy(), estimate.numpy(), self.mode, on_error=no_exception)
        return float(score) if score >= 1 else math.nan


class Stoi:
    """The metric `stoi`: short-time objective intelligibility (Taal and others, 2011)."""

    unit = ""
    higher_is_better = True

    def __init__(self, options: StoiOptions) -> None:
        from pystoi import stoi

        self.stoi, self.extended = stoi, options.extended

    def __call__(self, estimate: Tensor, target: Tensor, rate: int) -> Tensor:
        """Two `[batch, channel, time]` -> `[batch]`, 0 … 1."""
        return mean_over_channels(
            lambda e, t: float(self.stoi(t.numpy(), e.numpy(), rate, self.extended)), estimate, target
        )


def resample_all(signals: Sequence[Tensor], rate_in: int, rate_out: int) -> Sequence[Tensor]:
    """Resample signals unless they have the right rate already."""
    if rate_in == rate_out:
        return signals
    resampler = discover().resampler("poly-sinc-hq")
    return [resampler(x, rate_in, rate_out) for x in signals]


def mean_over_channels(score: ScoreFunction, estimate: Tensor, target: Tensor) -> Tensor:
    """Score each channel, and take the mean over the channels that have a score: `[batch, channel, time]` -> `[batch]`.

    A channel whose target is silent has no score; the mean is NaN if no channel has one.
    """
    pairs = zip(estimate.flatten(0, 1).cpu(), target.flatten(0, 1).cpu(), strict=True)
    scores = [score(e, t) if bool(t.any()) else math.nan for e, t in pairs]
    return torch.tensor(scores).reshape(estimate.shape[:2]).nanmean(-1)
