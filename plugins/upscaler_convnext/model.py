"""`spectral-convnext`: predicts the log-magnitude above the cut-off, frame by frame, and gives it phases that fit.

    baseline ─ STFT ─ log|·| ─┬─ below the cut-off ─ ConvNeXt over frames ─ (+) ─ above the cut-off ─ phases ─ iSTFT ─►
                              └─ guess: tilted on from 0.65 … 0.88 c ────────┘

The network predicts relative to a guess that needs no learning: each frame goes on at the mean log-magnitude of its band
from 0.65 to 0.88 of the cut-off c, and falls by 12 dB an octave (see `upscaler_core.dsp.band_level`). Training minimizes the
log-spectral distance of each frame above the cut-off, as far up as the recording reaches. So the network learns the mean of
the logarithm, which minimizes that distance for noise that cannot be known.

A mean is less extreme than the values it is a mean of: the louder a burst is, the more it comes out too soft. So a frame
whose level above the cut-off exceeds the mean level of the second on each side is raised by a share of the excess. The share
is the option `emphasis`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool1d

from upscaler_convnext.network import FrameNet
from upscaler_convnext.plugin import SpectralConvNeXtOptions
from upscaler_convnext.translated_phases import add_phases
from upscaler_core import Conditions, Estimate, StftConfig, load_checkpoint, stft
from upscaler_core.dsp import REFERENCE_BAND, band_level, tilted_log_magnitude
from upscaler_core.models import choose_dtype, computing, fixed_initialization

STFT = StftConfig(2048, 512)
BINS = STFT.n_fft // 2 + 1
SILENCE = 1e-4
"""The least magnitude: the power 1e-8 at which log-spectral distances are clamped."""
CENTRE, SPREAD = -3.0, 3.0
"""The network's input is (log-magnitude − CENTRE) / SPREAD."""
GAIN = 2.0
"""Factor of the network's output."""
AROUND = 94
"""Frames on each side, about a second, with whose mean level a frame is compared."""
MAX_EMPHASIS = math.log(10) * 3 / 20
"""The most by which a frame is raised, natural logarithm: 3 dB."""
TO_BELS = 2 / math.log(10)
"""From natural log-magnitude to log10 of power."""


class SpectralConvNeXt(nn.Module):
    """The model `spectral-convnext`. In training it returns log-magnitudes alone, for its `objective`."""

    receptive_field = None

    def __init__(self, options: SpectralConvNeXtOptions) -> None:
        super().__init__()
        self.options, checkpoint = load_checkpoint(options, "spectral-convnext", __package__)
        with fixed_initialization():
            self.net = FrameNet(
                BINS,
                self.options.channels,
                self.options.blocks,
                self.options.expansion,
                self.options.dilation,
            )
        if checkpoint:
            checkpoint.into(self)
        self.rate = self.options.rate
        self.other_rates = self.options.other_rates
        self.length_multiple = STFT.hop
        self.eval()
        self.dtype = choose_dtype(self, self.options.precision)

    def forward(self, baseline: Tensor, conditions: Conditions) -> Estimate:
        """`[batch, 1, time]` -> a waveform of the same length."""
        magnitude = self._log_magnitude(baseline, conditions)
        if self.training:
            return Estimate(log_magnitude=magnitude, grid=STFT)
        begin = conditions.edge_hz
        above = (frequencies(conditions) >= begin[:, None])[:, None, :, None]
        magnitude = magnitude + above * emphasis(magnitude, above, self.options.emphasis)
        return Estimate(add_phases(magnitude, baseline, STFT, begin, conditions.rate, self.options.iterations))

    def _log_magnitude(self, baseline: Tensor, conditions: Conditions) -> Tensor:
        """`[batch, 1, time]` -> log-magnitude `[batch, 1, bin, frame]`."""
        source = stft(baseline, STFT).abs().clamp(min=SILENCE).log()[:, 0]
        f, begin = frequencies(conditions), conditions.edge_hz
        below = (f < begin[:, None])[..., None]
        inputs = (source - CENTRE) / SPREAD * below
        with computing(self):
            offset = self.net(inputs.transpose(1, 2), begin * self.rate / conditions.rate)
        restored = guess(source, f, begin) + GAIN * offset.float().transpose(1, 2)
        return torch.where(below, source, restored)[:, None]

    def objective(self, estimate: Estimate, target: Tensor, conditions: Conditions) -> Mapping[str, Tensor]:
        """Log-spectral distance above the cut-off, as far up as the recording reaches: root mean square over bins."""
        if estimate.log_magnitude is None:
            raise TypeError("the objective is for the estimates of training")
        truth = stft(target, STFT).abs().clamp(min=SILENCE).log()
        f = frequencies(conditions)
        end = (
            torch.full_like(conditions.cutoff_hz, math.inf)
            if conditions.bandwidth_hz is None
            else conditions.bandwidth_hz
        )
        scored = ((f >= conditions.cutoff_hz[:, None]) & (f < end[:, None])).float()[:, None, :, None]
        squares = (TO_BELS * (estimate.log_magnitude.clamp(min=math.log(SILENCE)) - truth)).square() * scored
        distance = (squares.sum(-2) / scored.sum(-2).clamp(min=1) + 1e-6).sqrt()
        return {"distance": distance.mean()}


def emphasis(magnitude: Tensor, above: Tensor, share: float) -> Tensor:
    """How much each frame is to be raised: `[batch, 1, 1, frame]`, natural logarithm.

    Args:
        magnitude: log-magnitude `[batch, 1, bin, frame]`.
        above: the bins above the cut-off `[batch, 1, bin, 1]`.
        share: the part of a frame's excess over the mean level around it, 0 … 1.

    >>> burst = torch.zeros(1, 1, 4, 300)
    >>> burst[..., 150] = 1.0
    >>> raised = emphasis(burst, torch.ones(1, 1, 4, 1, dtype=torch.bool), 0.2)
    >>> raised.shape, raised.count_nonzero().item(), f"{raised.max():.3f}"
    (torch.Size([1, 1, 1, 300]), 1, '0.199')
    """
    level = (magnitude.clamp(min=math.log(SILENCE)) * above).sum(-2) / above.sum(-2).clamp(min=1)
    usual = avg_pool1d(level, 2 * AROUND + 1, stride=1, padding=AROUND, count_include_pad=False)
    return (share * (level - usual)).clamp(0, MAX_EMPHASIS)[:, :, None]


def frequencies(conditions: Conditions) -> Tensor:
    """The frequencies of the bins, Hz: `[bin]`."""
    return torch.arange(BINS, device=conditions.cutoff_hz.device) * conditions.rate / STFT.n_fft


def guess(log_magnitude: Tensor, f: Tensor, cutoff_hz: Tensor) -> Tensor:
    """What the network's output is added to, from the source alone.

    Args:
        log_magnitude: the source's, `[batch, bin, frame]`.
        f: `[bin]`, Hz.
        cutoff_hz: `[batch]`.

    Returns:
        `[batch, bin, frame]`: each frame's level below the cut-off, tilted from 0.88 of the cut-off on.
    """
    low, high = (end * cutoff_hz[:, None] for end in REFERENCE_BAND)
    band = ((f > low) & (f < high))[..., None]
    octaves = (f.clamp(min=1) / high).clamp(min=1).log2()[..., None]
    return tilted_log_magnitude(band_level(log_magnitude, band, as_product=True), octaves)
