"""`spectral-unet`: a 2-D U-Net that extends the baseline's log-magnitude spectrogram above the cut-off (§2.2.3).

    log|STFT| ─┬─ − level ──────┐
               ├─ guess − level ┼─ 4 bins a band ─ conv ─ U-Net ─ conv ─ 4 bins a band ─ + guess ─ above the cut-off ─┐
               │  log2(f / c) ──┘                                                       below it ─────────────────────┴─►
               └─────────────────────────────────────────────────────────────────────────┘

It predicts relative to a guess that needs no learning: above the cut-off c, each frame goes on at the mean log-magnitude of
its band from 0.65 c to 0.88 c, falling by 12 dB an octave. The level, that mean over some 90 ms, is taken off all inputs, so
that a quiet passage is restored as a loud one is.

In use, c is where the source's edge begins, and a little lower, for a survey places edges to half a band of 1/24 octave.
What a soft low-pass has left above c would be taken for the band's own end; so it is hidden from the network as a windowed
sinc would, by a gain of ½·erfc((f − c) / (√2·σ)), and what is restored is never quieter than it.

The U-Net thins frames, so what comes of a sound depends on which of them it falls on. The mean over inputs delayed by a
share of the thinning, and brought back, does so less: cycle spinning (Coifman and Donoho 1995), the option `shifts`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool1d, pad

from upscaler_core import Conditions, Estimate, StftConfig, load_checkpoint, stft
from upscaler_core.models import choose_dtype, computing, fixed_initialization
from upscaler_unets.plugin import SpectralUNetOptions
from upscaler_unets.unet import UNet, shape_of

GRID = StftConfig(1024, 256)
PATCH = 4
"""Bins a band of the finest level."""
STRIDES = [(4, 1), (2, 2), (2, 2), (2, 1), (2, 1)]
"""Bands and frames of each level that make one of the next: time is thinned by four in all."""
AROUND = 8
"""Frames on each side that the level is a mean of."""
LOWEST, HIGHEST = 0.65, 0.88
"""The band that the guess goes on from, relative to the cut-off."""
SPREAD = 3.0
"""What magnitudes are divided by, natural log; below twice that under the level (-52 dB) they are all alike."""
SILENCE = 1e-7
"""The least magnitude."""
EARLY = 0.985
"""Of where an edge is found to begin: half a band of the survey."""
SIGMA_HZ = 300 / 4.65
"""Of the low-pass that hides what a soft one has left: 300 Hz from a gain of 0.99 to 0.01."""


class SpectralUNet(nn.Module):
    """The model `spectral-unet`."""

    def __init__(self, options: SpectralUNetOptions) -> None:
        super().__init__()
        self.options, checkpoint = load_checkpoint(options, "spectral-unet", __package__)
        channels = self.options.base_channels
        with fixed_initialization():
            self.front = nn.Conv2d(3, channels, (PATCH, 3), (PATCH, 1), padding=(0, 1))
            self.unet = UNet(
                "spectral-unet", channels, (3, 3), STRIDES[: self.options.num_layers - 1], self.options.without
            )
            self.head = nn.ConvTranspose2d(channels, 1, (PATCH, 1), (PATCH, 1))
        if checkpoint:
            checkpoint.into(self)
        self.rate = self.options.rate
        self.other_rates = self.options.other_rates
        self.length_multiple = GRID.hop * self.unet.step
        receptive_field = GRID.hop * (self.unet.receptive_field + 1 + AROUND) + GRID.n_fft // 2
        self.receptive_field = receptive_field if receptive_field <= self.rate // 2 else None
        self.eval()
        self.dtype = choose_dtype(self, self.options.precision)

    @staticmethod
    def options_of(state: Mapping[str, Tensor]) -> dict[str, Any]:
        """The options that a state dict tells."""
        return shape_of(state)

    def forward(self, baseline: Tensor, conditions: Conditions) -> Estimate:
        """`[batch, 1, time]` -> a log-magnitude without phase."""
        given = stft(baseline, GRID).abs().clamp(min=SILENCE).log()
        f = torch.arange(given.shape[-2], device=given.device) * conditions.rate / GRID.n_fft
        magnitude = given
        if conditions.begin_hz is not None:
            conditions = replace(conditions, cutoff_hz=EARLY * conditions.begin_hz)
            magnitude = (given + hiding(f, conditions.cutoff_hz)).clamp(min=math.log(SILENCE))
        octaves = octaves_above(f, conditions.cutoff_hz)
        mean = band_mean(magnitude, octaves)
        guess = mean - 2 * math.log(2) * octaves
        level = avg_pool1d(mean[:, 0], 2 * AROUND + 1, stride=1, padding=AROUND, count_include_pad=False)[:, None]
        told = [((known - level) / SPREAD).clamp(min=-2) for known in (magnitude, guess)]
        told.append(octaves.expand_as(magnitude))
        frames = magnitude.shape[-1]
        inputs = pad(torch.cat(told, 1)[:, :, :-1], (0, -frames % self.unet.step))  # the Nyquist bin is left out
        with computing(self):
            offset = self._offset(inputs, conditions)[..., :frames]
        restored = guess + pad(offset, (0, 0, 0, 1), mode="replicate")
        if conditions.begin_hz is not None:
            restored = restored.maximum(given)
        return Estimate(log_magnitude=torch.where(octaves > 0, restored, given), grid=GRID)

    def _offset(self, inputs: Tensor, conditions: Conditions) -> Tensor:
        """`[batch, 3, bin, frame]` -> `[batch, 1, bin, frame]`, the mean over so many ways to thin the frames."""
        step, frames, shifts = self.unet.step, inputs.shape[-1], self.options.shifts
        total = torch.zeros(())
        for shift in range(0, step, step // shifts):
            shifted = pad(inputs, (shift, -shift % step, 0, 0), mode="replicate")
            offset = self.head(self.unet(self.front(shifted), conditions, GRID.hop))
            total = total + offset[..., shift : shift + frames].float()
        return total / shifts


def octaves_above(f: Tensor, cutoff_hz: Tensor) -> Tensor:
    """How far each bin `[bin]` (Hz) lies above each cut-off `[batch]`, octaves: `[batch, 1, bin, 1]`, at least -4."""
    return (f / cutoff_hz[:, None]).clamp(min=1 / 16).log2()[:, None, :, None]


def hiding(f: Tensor, cutoff_hz: Tensor) -> Tensor:
    """The gain of a low-pass, natural log: `[bin]`, `[batch]` -> `[batch, 1, bin, 1]`.

    >>> gain = hiding(torch.tensor([800.0, 1_000.0, 1_100.0]), torch.tensor([1_000.0])).exp()
    >>> [round(g, 3) for g in gain.flatten().tolist()]
    [0.999, 0.5, 0.061]
    """
    gain: Tensor = torch.special.log_ndtr((cutoff_hz[:, None] - f) / SIGMA_HZ)
    return gain[:, None, :, None]


def band_mean(magnitude: Tensor, octaves: Tensor) -> Tensor:
    """Mean log-magnitude of the band below the cut-off that the guess goes on from: `[batch, 1, 1, frame]`."""
    band = (octaves >= math.log2(LOWEST)) & (octaves <= math.log2(HIGHEST))
    return (magnitude * band).sum(-2, keepdim=True) / band.sum(-2, keepdim=True).clamp(min=1)
