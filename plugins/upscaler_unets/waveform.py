"""`waveform-unet`: a 1-D U-Net that predicts what the baseline lacks (white paper §2.2.2).

    baseline ─┬─ ÷ envelope ─ 4 samples a frame ─ conv ─ U-Net ─ conv ─ 4 samples a frame ─ × envelope ─ (+) ─► estimate
              └──────────────────────────────────────────────────────────────────────────────────────────┘

No layer runs at the full rate. The input is divided by its envelope, the RMS over some 50 ms, so that its level does not
matter: a quiet passage is restored as a loud one is, and nothing is added to silence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import avg_pool1d, interpolate

from upscaler_core import Conditions, Estimate, load_checkpoint
from upscaler_core.models import choose_dtype, computing, fixed_initialization
from upscaler_unets.plugin import WaveformUNetOptions
from upscaler_unets.unet import UNet, shape_of

PATCH = 4
"""Samples in each frame of the finest level; also the frames of each level that make one of the next."""
KERNEL = 7
BLOCK = 256
"""Samples over which the envelope takes each of its means."""
FLOOR = 1e-5
"""The least envelope, full scale ±1.0. Quieter inputs are not amplified further."""


class WaveformUNet(nn.Module):
    """The model `waveform-unet`."""

    def __init__(self, options: WaveformUNetOptions) -> None:
        super().__init__()
        self.options, checkpoint = load_checkpoint(options, "waveform-unet", __package__)
        channels = self.options.base_channels
        with fixed_initialization():
            self.front = nn.Conv2d(PATCH, channels, (1, KERNEL), padding=(0, KERNEL // 2))
            self.unet = UNet(
                "waveform-unet",
                channels,
                (1, KERNEL),
                [(1, PATCH)] * (self.options.num_layers - 1),
                self.options.without,
            )
            self.head = nn.Conv2d(channels, PATCH, (1, KERNEL), padding=(0, KERNEL // 2))
            self.head.weight.data *= 0.1  # begin near the baseline
        if checkpoint:
            checkpoint.into(self)
        self.rate = self.options.rate
        self.other_rates = self.options.other_rates
        self.length_multiple = math.lcm(PATCH * self.unet.step, BLOCK)
        frames = self.unet.receptive_field + KERNEL - 1
        receptive_field = PATCH * frames + PATCH - 1 + 6 * BLOCK
        self.receptive_field = receptive_field if receptive_field <= self.rate // 2 else None
        self.eval()
        self.dtype = choose_dtype(self, self.options.precision)

    @staticmethod
    def options_of(state: Mapping[str, Tensor]) -> dict[str, Any]:
        """The options that shape the model, read from the shapes of its weights."""
        return shape_of(state)

    def forward(self, baseline: Tensor, conditions: Conditions) -> Estimate:
        """`[batch, 1, time]` -> a waveform of the same length."""
        batch, _, samples = baseline.shape
        level = envelope(baseline)
        frames = (baseline / level).reshape(batch, 1, samples // PATCH, PATCH).permute(0, 3, 1, 2)
        with computing(self):
            lacking = self.head(self.unet(self.front(frames), conditions, PATCH))
        return Estimate(baseline + level * lacking.float().permute(0, 2, 3, 1).reshape(baseline.shape))


def envelope(x: Tensor) -> Tensor:
    """The RMS at every sample, over nine blocks and weighted by a triangle: `[batch, 1, time]` -> the same shape.

    >>> import torch
    >>> float(envelope(torch.full((1, 1, 8192), 0.5)).mean())
    0.5
    """
    power = avg_pool1d(x.square(), BLOCK)
    for _ in range(2):
        power = avg_pool1d(power, 5, stride=1, padding=2, count_include_pad=False)
    return interpolate((power + FLOOR**2).sqrt(), scale_factor=float(BLOCK), mode="linear")
