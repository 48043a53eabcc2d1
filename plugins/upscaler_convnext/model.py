"""`spectral-convnext`: predicts the log-magnitude above the cut-off, frame by frame, and gives it phases that fit.

    baseline ─ STFT ─ log|·| ─┬─ below the cut-off ─ ConvNeXt over frames ─ (+) ─ above the cut-off ─ phases ─ iSTFT ─►
                              └─ guess: tilted on from 0.65 … 0.88 c ────────┘

It predicts relative to a guess that needs no learning: each frame goes on at the mean log-magnitude of its band from 0.65
to 0.88 of the cut-off c, falling by 12 dB an octave. What it is trained for is the log-spectral distance of each frame above
the cut-off, as far up as the recording reaches. So it learns the mean of the logarithm, which is what that distance asks for
of noise that cannot be known.

A mean stays behind what it is a mean of: bursts come out too soft, by the more the louder they are. So frames whose level
above the cut-off stands out of the second on each side are raised by a share of what they stand out, the option `emphasis`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool1d

from upscaler_convnext.griffin_lim import with_phases
from upscaler_convnext.network import FrameNet
from upscaler_convnext.plugin import SpectralConvNeXtOptions
from upscaler_core import Conditions, Estimate, StftConfig, load_checkpoint, stft
from upscaler_core.models import choose_dtype, computing, fixed_initialization

GRID = StftConfig(2048, 512)
BINS = GRID.n_fft // 2 + 1
LOWEST, HIGHEST = 0.65, 0.88
"""The band that the guess goes on from, relative to the cut-off."""
FALL = 2 * math.log(2)
"""12 dB an octave, natural logarithm."""
SILENCE = 1e-4
"""The least magnitude: the power 1e-8 at which log-spectral distances are clamped."""
CENTRE, SPREAD = -3.0, 3.0
"""Log-magnitudes are told as (x − CENTRE) / SPREAD."""
GAIN = 2.0
"""Of the network's output."""
AROUND = 94
"""Frames on each side, about a second, that a frame may stand out of."""
RAISED = math.log(10) * 3 / 20
"""At most, natural logarithm: 3 dB."""
TO_BELS = 2 / math.log(10)
"""From natural log-magnitude to log10 of power."""


class SpectralConvNeXt(nn.Module):
    """The model `spectral-convnext`. In training it returns log-magnitudes alone, for its `objective`."""

    receptive_field = None

    def __init__(self, options: SpectralConvNeXtOptions) -> None:
        super().__init__()
        self.options, checkpoint = load_checkpoint(options, "spectral-convnext", __package__)
        with fixed_initialization():
            told = self.options
            self.net = FrameNet(BINS, told.channels, told.blocks, told.expansion, told.dilation)
        if checkpoint:
            checkpoint.into(self)
        self.rate = self.options.rate
        self.other_rates = self.options.other_rates
        self.length_multiple = GRID.hop
        self.eval()
        self.dtype = choose_dtype(self, self.options.precision)

    def forward(self, baseline: Tensor, conditions: Conditions) -> Estimate:
        """`[batch, 1, time]` -> a waveform of the same length."""
        if self.training:
            return Estimate(log_magnitude=self._magnitude(baseline, conditions), grid=GRID)
        magnitude, begin = self._magnitude(baseline, conditions), begin_of(conditions)
        above = (frequencies(conditions) >= begin[:, None])[:, None, :, None]
        magnitude = magnitude + above * emphasized(magnitude, above, self.options.emphasis)
        return Estimate(with_phases(magnitude, baseline, GRID, begin, conditions.rate, self.options.iterations))

    def _magnitude(self, baseline: Tensor, conditions: Conditions) -> Tensor:
        """`[batch, 1, time]` -> log-magnitude `[batch, 1, bin, frame]`."""
        given = stft(baseline, GRID).abs().clamp(min=SILENCE).log()[:, 0]
        f, begin = frequencies(conditions), begin_of(conditions)
        below = (f < begin[:, None])[..., None]
        told = (given - CENTRE) / SPREAD * below
        with computing(self):
            offset = self.net(told.transpose(1, 2), begin * self.rate / conditions.rate)
        restored = guess(given, f, begin) + GAIN * offset.float().transpose(1, 2)
        return torch.where(below, given, restored)[:, None]

    def objective(self, estimate: Estimate, target: Tensor, conditions: Conditions) -> Mapping[str, Tensor]:
        """Log-spectral distance above the cut-off, as far up as the recording reaches: root mean square over bins."""
        if estimate.log_magnitude is None:
            raise TypeError("the objective is for the estimates of training")
        wanted = stft(target, GRID).abs().clamp(min=SILENCE).log()
        f = frequencies(conditions)
        end = (
            torch.full_like(conditions.cutoff_hz, math.inf)
            if conditions.bandwidth_hz is None
            else conditions.bandwidth_hz
        )
        scored = ((f >= conditions.cutoff_hz[:, None]) & (f < end[:, None])).float()[:, None, :, None]
        squares = (TO_BELS * (estimate.log_magnitude.clamp(min=math.log(SILENCE)) - wanted)).square() * scored
        distance = (squares.sum(-2) / scored.sum(-2).clamp(min=1) + 1e-6).sqrt()
        return {"distance": distance.mean()}


def emphasized(magnitude: Tensor, above: Tensor, share: float) -> Tensor:
    """How much each frame is to be raised: `[batch, 1, 1, frame]`, natural logarithm.

    Args:
        magnitude: log-magnitude `[batch, 1, bin, frame]`.
        above: the bins above the cut-off `[batch, 1, bin, 1]`.
        share: of what a frame's level stands out of the mean level around.

    >>> burst = torch.zeros(1, 1, 4, 300)
    >>> burst[..., 150] = 1.0
    >>> raised = emphasized(burst, torch.ones(1, 1, 4, 1, dtype=torch.bool), 0.2)
    >>> raised.shape, raised.count_nonzero().item(), f"{raised.max():.3f}"
    (torch.Size([1, 1, 1, 300]), 1, '0.199')
    """
    level = (magnitude.clamp(min=math.log(SILENCE)) * above).sum(-2) / above.sum(-2).clamp(min=1)
    usual = avg_pool1d(level, 2 * AROUND + 1, stride=1, padding=AROUND, count_include_pad=False)
    return (share * (level - usual)).clamp(0, RAISED)[:, :, None]


def begin_of(conditions: Conditions) -> Tensor:
    """What it takes for the cut-off, `[batch]`, Hz: where the edge begins, so that a soft one leaves no hole."""
    return conditions.cutoff_hz if conditions.begin_hz is None else conditions.begin_hz


def frequencies(conditions: Conditions) -> Tensor:
    """Of the bins, Hz: `[bin]`."""
    return torch.arange(BINS, device=conditions.cutoff_hz.device) * conditions.rate / GRID.n_fft


def guess(given: Tensor, f: Tensor, cutoff_hz: Tensor) -> Tensor:
    """Log-magnitudes `[batch, bin, frame]` -> each frame's level below the cut-off `[batch]`, going on upwards."""
    c = cutoff_hz[:, None]
    band = ((f > LOWEST * c) & (f < HIGHEST * c)).float()[:, None]
    level = band @ given / band.sum(-1, keepdim=True).clamp(min=1)
    return level - FALL * (f.clamp(min=1) / (HIGHEST * c)).clamp(min=1).log2()[..., None]
