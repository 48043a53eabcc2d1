"""ConvNeXt over frames: each frame of a spectrogram is one vector, and convolutions run along time only.

    block:  x ─ convolution over 7 frames, channel by channel ─ layer norm ─ ×expansion ─ GELU ─ back ─ × scale ─ (+ x) ─►

Every second block adds to its convolution a wide one, whose seven taps are `dilation` frames apart. So properties that last,
such as a room, the noise of a microphone or an instrument, are estimated over a second or two, not from one frame alone.

After Liu et al., "A ConvNet for the 2020s" (2022), as Vocos (Siuzdak 2023) and AP-BWE (Lu et al. 2024) use it for audio.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

KERNEL = 7
"""Frames of each convolution."""
HARMONICS = 16
"""Number of sines, and of cosines, that describe the cut-off's logarithm to the network."""


class Block(nn.Module):
    """One residual block on `[batch, frame, channel]`."""

    def __init__(self, channels: int, expansion: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, KERNEL, padding=KERNEL // 2, groups=channels)
        self.wide: nn.Conv1d | None = None
        if dilation:
            padding = KERNEL // 2 * dilation
            self.wide = nn.Conv1d(
                channels, channels, KERNEL, padding=padding, dilation=dilation, groups=channels, bias=False
            )
        self.norm = nn.LayerNorm(channels)
        self.up = nn.Linear(channels, expansion * channels)
        self.down = nn.Linear(expansion * channels, channels)
        self.scale = nn.Parameter(torch.full((channels,), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        frames = x.transpose(1, 2)
        mixed = self.conv(frames) if self.wide is None else self.conv(frames) + self.wide(frames)
        out: Tensor = x + self.scale * self.down(gelu(self.up(self.norm(mixed.transpose(1, 2)))))
        return out


class FrameNet(nn.Module):
    """A network from spectral frames and a cut-off to frames of the same size."""

    def __init__(self, bins: int, channels: int, blocks: int, expansion: int, dilation: int) -> None:
        super().__init__()
        self.front = nn.Linear(bins, channels)
        # The name is part of the checkpoints' tensor names.
        self.told = nn.Sequential(nn.Linear(2 * HARMONICS, 64), nn.GELU(), nn.Linear(64, channels))
        self.blocks = nn.ModuleList(Block(channels, expansion, dilation * (k % 2)) for k in range(blocks))
        self.norm = nn.LayerNorm(channels)
        self.head = nn.Linear(channels, bins)
        self.head.weight.data *= 0.1  # training begins near the guess
        nn.init.zeros_(self.head.bias)

    def forward(self, frames: Tensor, cutoff_hz: Tensor) -> Tensor:
        """Frames `[batch, frame, bin]` and cut-offs `[batch]`, Hz -> `[batch, frame, bin]`."""
        order = torch.arange(1, HARMONICS + 1, device=frames.device)
        angles = (cutoff_hz / 1000).log2()[:, None] * math.pi / 5 * order
        x = self.front(frames) + self.told(torch.cat([angles.sin(), angles.cos()], 1))[:, None]
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.head(self.norm(x))
        return out
