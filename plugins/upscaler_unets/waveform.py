"""`waveform-unet`: a 1-D U-Net that adds to the baseline what it lacks (white paper §2.2.2).

    baseline ─┬─ ÷ envelope ─ 4 samples a frame ─ conv ─ U-Net ─ conv ─ 4 samples a frame ─ × envelope ─ (+) ─► estimate
              └──────────────────────────────────────────────────────────────────────────────────────────┘

No layer runs at the full rate. The envelope, the RMS over some 50 ms, makes the network deaf to level: a quiet passage is
restored as a loud one is, and silence adds nothing.
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
"""Samples a frame of the finest level; also frames of each level that make one of the next."""
KERNEL = 7
BLOCK = 256
"""Samples of which the envelope takes one mean."""
FLOOR = 1e-5
"""Of the envelope, full scale ±1.0: what is quieter is not raised further."""


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
        """The options that a state dict tells."""
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
    """`[batch, 1, time]` -> its RMS over nine blocks, weighted by a triangle, at every sample.

    >>> import torch
    >>> float(envelope(torch.full((1, 1, 8192), 0.5)).mean())
    0.5
    """
    power = avg_pool1d(x.square(), BLOCK)
    for _ in range(2):
        power = avg_pool1d(power, 5, stride=1, padding=2, count_include_pad=False)
    return interpolate((power + FLOOR**2).sqrt(), scale_factor=float(BLOCK), mode="linear")
