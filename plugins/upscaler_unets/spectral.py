"""`spectral-unet`: a 2-D U-Net that extends the baseline's log-magnitude spectrogram above the cut-off (§2.2.3).

    log|STFT| ─┬─ − level ──────┐
               ├─ guess − level ┼─ 4 bins a band ─ conv ─ U-Net ─ conv ─ 4 bins a band ─ + guess ─ above the cut-off ─┐
               │  log2(f / c) ──┘                                                       below it ─────────────────────┴─►
               └─────────────────────────────────────────────────────────────────────────┘

The network predicts relative to a guess that needs no learning: above the cut-off c, each frame goes on at the mean
log-magnitude of its band from 0.65 c to 0.88 c, and falls by 12 dB an octave (see `upscaler_core.dsp.band_level`). The
level, that mean over some 90 ms, is subtracted from the inputs, so that a quiet passage is restored as a loud one is.

When a recording is enhanced, c is a little lower than where the source's edge begins, because edges are measured to half a
band of 1/24 octave. What a soft low-pass has not removed above c would look like the band's own end. So it is hidden from
the network as a windowed sinc would hide it, by a gain of ½·erfc((f − c) / (√2·σ)), and the output is never quieter than it.

The U-Net thins frames, so its output depends on which of them a sound falls on. The mean over inputs that are delayed by a
share of the thinning, and aligned again, depends on it less: cycle spinning (Coifman and Donoho 1995), the option `shifts`.
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
from upscaler_core.dsp import REFERENCE_BAND, band_level, tilted_log_magnitude
from upscaler_core.models import choose_dtype, computing, fixed_initialization
from upscaler_unets.plugin import SpectralUNetOptions
from upscaler_unets.unet import UNet, shape_of

STFT = StftConfig(1024, 256)
PATCH = 4
"""Bins in each band of the finest level."""
STRIDES = [(4, 1), (2, 2), (2, 2), (2, 1), (2, 1)]
"""Bands and frames of each level that make one of the next: time is thinned by four in all."""
AROUND = 8
"""Frames on each side over which the level is averaged."""
SPREAD = 3.0
"""What magnitudes are divided by, natural logarithm. What is more than twice that (52 dB) below the level is clamped."""
SILENCE = 1e-7
"""The least magnitude."""
EARLY = 0.985
"""The cut-off as a part of the frequency where the edge begins: half a band lower, which is how exactly edges are known."""
SIGMA_HZ = 300 / 4.65
"""Width σ of the low-pass that hides what a soft one has not removed: its gain falls from 0.99 to 0.01 within 300 Hz."""


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
        self.length_multiple = STFT.hop * self.unet.step
        receptive_field = STFT.hop * (self.unet.receptive_field + 1 + AROUND) + STFT.n_fft // 2
        self.receptive_field = receptive_field if receptive_field <= self.rate // 2 else None
        self.eval()
        self.dtype = choose_dtype(self, self.options.precision)

    @staticmethod
    def options_of(state: Mapping[str, Tensor]) -> dict[str, Any]:
        """The options that shape the model, read from the shapes of its weights."""
        return shape_of(state)

    def forward(self, baseline: Tensor, conditions: Conditions) -> Estimate:
        """`[batch, 1, time]` -> a log-magnitude without phase."""
        source = stft(baseline, STFT).abs().clamp(min=SILENCE).log()
        f = torch.arange(source.shape[-2], device=source.device) * conditions.rate / STFT.n_fft
        visible = source
        if conditions.begin_hz is not None:
            conditions = replace(conditions, cutoff_hz=EARLY * conditions.begin_hz)
            visible = (source + hiding_gain(f, conditions.cutoff_hz)).clamp(min=math.log(SILENCE))
        octaves = octaves_above(f, conditions.cutoff_hz)
        low, high = (math.log2(end) for end in REFERENCE_BAND)
        frame_level = band_level(visible, (octaves >= low) & (octaves <= high))
        guess = tilted_log_magnitude(frame_level, octaves)
        level = avg_pool1d(frame_level[:, 0], 2 * AROUND + 1, stride=1, padding=AROUND, count_include_pad=False)[
            :, None
        ]
        maps = [((log_magnitude - level) / SPREAD).clamp(min=-2) for log_magnitude in (visible, guess)]
        maps.append(octaves.expand_as(visible))
        frames = visible.shape[-1]
        inputs = pad(torch.cat(maps, 1)[:, :, :-1], (0, -frames % self.unet.step))  # without the Nyquist bin
        with computing(self):
            offset = self._offset(inputs, conditions)[..., :frames]
        restored = guess + pad(offset, (0, 0, 0, 1), mode="replicate")
        if conditions.begin_hz is not None:
            restored = restored.maximum(source)
        return Estimate(log_magnitude=torch.where(octaves > 0, restored, source), grid=STFT)

    def _offset(self, inputs: Tensor, conditions: Conditions) -> Tensor:
        """`[batch, 3, bin, frame]` -> `[batch, 1, bin, frame]`, the mean over `shifts` delays of the frames."""
        step, frames, shifts = self.unet.step, inputs.shape[-1], self.options.shifts
        total = torch.zeros(())
        for shift in range(0, step, step // shifts):
            shifted = pad(inputs, (shift, -shift % step, 0, 0), mode="replicate")
            offset = self.head(self.unet(self.front(shifted), conditions, STFT.hop))
            total = total + offset[..., shift : shift + frames].float()
        return total / shifts


def octaves_above(f: Tensor, cutoff_hz: Tensor) -> Tensor:
    """How far each bin `[bin]` (Hz) lies above each cut-off `[batch]`, octaves: `[batch, 1, bin, 1]`, at least -4."""
    return (f / cutoff_hz[:, None]).clamp(min=1 / 16).log2()[:, None, :, None]


def hiding_gain(f: Tensor, cutoff_hz: Tensor) -> Tensor:
    """The gain of a low-pass, natural logarithm: `[bin]`, `[batch]` -> `[batch, 1, bin, 1]`.

    >>> gain = hiding_gain(torch.tensor([800.0, 1_000.0, 1_100.0]), torch.tensor([1_000.0])).exp()
    >>> [round(g, 3) for g in gain.flatten().tolist()]
    [0.999, 0.5, 0.061]
    """
    gain: Tensor = torch.special.log_ndtr((cutoff_hz[:, None] - f) / SIGMA_HZ)
    return gain[:, None, :, None]
