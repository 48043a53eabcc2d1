"""Models of listeners, by other people's packages: ViSQOL, PESQ, STOI. Each is given every channel by itself.

Each has its own rate, to which both signals are resampled: ViSQOL's audio mode 48 kHz, PESQ 16 kHz (8 kHz in narrow band),
STOI 10 kHz by itself. So PESQ and STOI hear nothing of what is restored above 8 and 5 kHz.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from upscaler_core import Options, discover
from upscaler_metrics.options import PesqOptions, StoiOptions

Score = Callable[[Tensor, Tensor], float]


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
        """Two `[batch, channel, time]` -> `[batch]`, 1 … 5; about half of real time."""
        return judged(self._score, *at_rate(self.rate, rate, estimate, target))

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
        """Two `[batch, channel, time]` -> `[batch]`, 1 … 4.64; NaN where it finds no speech."""
        return judged(self._score, *at_rate(self.rate, rate, estimate, target))

    def _score(self, estimate: Tensor, target: Tensor) -> float:
        quiet = self.pesq.PesqError.RETURN_VALUES
        found = self.pesq.pesq(self.rate, target.numpy(), estimate.numpy(), self.mode, on_error=quiet)
        return float(found) if found >= 1 else math.nan


class Stoi:
    """The metric `stoi`: short-time objective intelligibility (Taal and others, 2011)."""

    unit = ""
    higher_is_better = True

    def __init__(self, options: StoiOptions) -> None:
        from pystoi import stoi

        self.stoi, self.extended = stoi, options.extended

    def __call__(self, estimate: Tensor, target: Tensor, rate: int) -> Tensor:
        """Two `[batch, channel, time]` -> `[batch]`, 0 … 1."""
        return judged(lambda e, t: float(self.stoi(t.numpy(), e.numpy(), rate, self.extended)), estimate, target)


def at_rate(wanted: int, rate: int, *signals: Tensor) -> list[Tensor]:
    """Resample where the rate is another."""
    return [x if rate == wanted else discover().resampler("poly-sinc-hq")(x, rate, wanted) for x in signals]


def judged(score: Score, estimate: Tensor, target: Tensor) -> Tensor:
    """Score each channel; the mean over channels of those that have one: `[batch, channel, time]` -> `[batch]`.

    A silent reference has no score.
    """
    pairs = zip(estimate.flatten(0, 1).cpu(), target.flatten(0, 1).cpu(), strict=True)
    scores = [score(e, t) if bool(t.any()) else math.nan for e, t in pairs]
    return torch.tensor(scores).reshape(estimate.shape[:2]).nanmean(-1)
