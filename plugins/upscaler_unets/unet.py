"""What both networks are made of: gated residual blocks, conditioned on the cut-off, in a U-Net.

    block:  x ─┬─ conv ─ batch norm ─ AdaIN(cut-off) ─ + gain · noise ─ GELU ─┬─ conv (value) ───┐
               │                                                              └─ conv ─ sigmoid ─┴─ (×) ─ (+) ─►
               └───────────────────────────────────────────────────────────────────────────────────────────┘
    U-Net:  two blocks ─ strided conv ─ … ─ two blocks, two blocks ─ … ─ transposed conv ─ (+ skip) ─ two blocks

White paper §2.2.2; the gate is van den Oord et al. (2016), AdaIN Huang and Belongie (2017), the noise Karras et al. (2019).
AdaIN normalizes by batch norm's running statistics, not by those of the window. So the level does not pump from chunk to
chunk.

Maps are `[batch, channel, height, frame]`, with channels last in memory, because CPUs convolve that fastest. A waveform is a
map of height 1. Every operation commutes with shifts by the strides; `UNet.receptive_field` is how far outputs depend on
inputs.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, gelu

from upscaler_core import Conditions
from upscaler_core import noise as stream_noise

EMBEDDING = 32
"""Number of features that describe the cut-off."""
BLOCKS = 2
"""Gated blocks in each level, on the way down and again on the way up."""

Pair = tuple[int, int]


class ConvNorm(nn.Module):
    """A convolution and batch normalization without scale and shift, folded into one convolution outside training."""

    def __init__(self, inputs: int, outputs: int, kernel: Pair, stride: Pair = (1, 1)) -> None:
        super().__init__()
        padding = ((kernel[0] - stride[0] + 1) // 2, (kernel[1] - stride[1] + 1) // 2)
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.norm = nn.BatchNorm2d(outputs, affine=False)
        self._fold: tuple[object, Tensor, Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """`[batch, inputs, height, frame]` -> `[batch, outputs, height / stride, frame / stride]`."""
        if self.training or torch.is_grad_enabled():
            normalized: Tensor = self.norm(self.conv(x))
            return normalized
        weight, bias = self._folded()
        return conv2d(x, weight, bias, self.conv.stride, self.conv.padding)

    def _folded(self) -> tuple[Tensor, Tensor]:
        """Weight and bias that include the running statistics. They are cached until one of their tensors changes."""
        weight, mean, variance = self.conv.weight, self.norm.running_mean, self.norm.running_var
        if mean is None or variance is None:
            raise TypeError("folding needs running statistics")
        state = [(t._version, t.data_ptr()) for t in (weight, mean, variance)]
        if self._fold is None or self._fold[0] != state:
            scale = (variance + self.norm.eps).rsqrt()
            folded = (weight * scale[:, None, None, None]).contiguous(memory_format=torch.channels_last)
            self._fold = state, folded, -mean * scale
        return self._fold[1:]


class GatedBlock(nn.Module):
    """A gated residual block with conditioned normalization and noise of a learned gain. Each of these can be left out."""

    def __init__(self, channels: int, kernel: Pair, without: Collection[str] = ()) -> None:
        super().__init__()
        self.mix = ConvNorm(channels, channels, kernel)
        self.value = nn.Conv2d(channels, channels, 1)
        self.style = None if "style" in without else nn.Linear(EMBEDDING, 2 * channels)
        self.noise_gain = None if "noise" in without else nn.Parameter(torch.full((channels, 1, 1), 0.1))
        self.gate = None if "gate" in without else nn.Conv2d(channels, channels, 1)
        if self.style:
            nn.init.zeros_(self.style.weight)
            nn.init.zeros_(self.style.bias)

    def forward(self, x: Tensor, style: Tensor, noise: Tensor) -> Tensor:
        """Map, embedding `[batch, EMBEDDING]`, noise `[batch, 1, height, frame]` -> a map of the same shape."""
        h = self.mix(x)
        if self.style:
            scale, shift = self.style(style)[..., None, None].to(h.dtype).chunk(2, 1)
            h = torch.addcmul(shift, h, 1 + scale)
        if self.noise_gain is not None:
            h = torch.addcmul(h, self.noise_gain.to(h.dtype), noise)
        h = gelu(h)
        return torch.addcmul(x, self.value(h), self.gate(h).sigmoid()) if self.gate else x + self.value(h)


class Blocks(nn.ModuleList):
    """Blocks one after the other."""

    def forward(self, x: Tensor, style: Tensor, noise: Tensor) -> Tensor:
        """Map, embedding, noise `[block, batch, 1, height, frame]` -> a map of the same shape."""
        for block, block_noise in zip(self, noise, strict=True):
            x = block(x, style, block_noise)
        return x


class Level(nn.Module):
    """One resolution: blocks on the way down and on the way up, and the steps to the next resolution and back."""

    def __init__(self, channels: int, kernel: Pair, deeper: int, stride: Pair, without: Collection[str] = ()) -> None:
        super().__init__()
        self.encode = Blocks(GatedBlock(channels, kernel, without) for _ in range(BLOCKS))
        self.decode = Blocks(GatedBlock(channels, kernel, without) for _ in range(BLOCKS))
        if deeper:
            self.down = ConvNorm(channels, deeper, stride, stride)
            self.up = nn.ConvTranspose2d(deeper, channels, stride, stride)


class UNet(nn.Module):
    """Maps of `base_channels` to maps of the same shape; channels double at each level, up to eight times.

    Args:
        name: the model's name, from which its noise is derived.
        base_channels: channels at the finest level.
        kernel: height and frames of the blocks' convolutions, both odd.
        strides: height and frames of the step from each level to the next; there is one level more than strides.
        without: parts to leave out: gate, noise, style, skips.
    """

    def __init__(
        self, name: str, base_channels: int, kernel: Pair, strides: Sequence[Pair], without: Collection[str] = ()
    ) -> None:
        super().__init__()
        widths = [base_channels * min(2**level, 8) for level in range(len(strides) + 1)]
        self.name = name
        self.steps = [stride[1] for stride in strides]
        self.half_width = kernel[1] // 2
        self.skips = "skips" not in without
        self.embed = nn.Sequential(nn.Linear(8, EMBEDDING), nn.GELU())
        self.levels = nn.ModuleList(
            Level(width, kernel, deeper, stride, without)
            for width, deeper, stride in zip(widths, [*widths[1:], 0], [*strides, (1, 1)], strict=True)
        )

    @property
    def step(self) -> int:
        """Frames that one frame of the coarsest level spans. The number of frames must be a multiple of it."""
        return math.prod(self.steps)

    @property
    def receptive_field(self) -> int:
        """Frames on each side that a frame depends on."""
        blocks = 2 * BLOCKS * self.half_width
        receptive_field = blocks
        for step in reversed(self.steps):
            receptive_field = blocks + step * receptive_field + step - 1
        return receptive_field

    def forward(self, x: Tensor, conditions: Conditions, hop: int) -> Tensor:
        """A map at `hop` samples a frame -> a map of the same shape."""
        style = self.embed(_fourier_features(conditions.cutoff_hz / (conditions.rate / 2)))
        return self._run_from(0, x, style, conditions, hop)

    def _run_from(self, index: int, x: Tensor, style: Tensor, conditions: Conditions, span: int) -> Tensor:
        """Run one level and those below it, at `span` samples a frame."""
        level = cast("Level", self.levels[index])
        noise = self._noise(index, conditions, span, x)
        x = level.encode(x, style, noise[:BLOCKS])
        if index < len(self.steps):
            below = self._run_from(index + 1, level.down(x), style, conditions, span * self.steps[index])
            x = x + level.up(below) if self.skips else level.up(below)
        out: Tensor = level.decode(x, style, noise[BLOCKS:])
        return out

    def _noise(self, level: int, conditions: Conditions, span: int, like: Tensor) -> Tensor:
        """One level's noise `[block, batch, 1, height, frame]`. It depends only on the seed and the place in the stream."""
        height, frames = like.shape[-2:]
        frame_size = height * 2 * BLOCKS
        rows = [
            stream_noise(conditions.seed, f"{self.name}/{level}", start // span * frame_size, frames * frame_size)
            for start in conditions.start.tolist()
        ]
        stacked = torch.stack(rows).reshape(-1, frames, height, 2 * BLOCKS)
        return stacked.permute(3, 0, 2, 1)[:, :, None].to(like)


def shape_of(state: Mapping[str, Tensor], prefix: str = "unet.") -> dict[str, int]:
    """The options `base_channels` and `num_layers` of the U-Net with these weights. Empty if there is no U-Net in them."""
    levels = {
        name.removeprefix(f"{prefix}levels.").partition(".")[0] for name in state if name.startswith(f"{prefix}levels.")
    }
    value = state.get(f"{prefix}levels.0.encode.0.value.weight")
    return {"base_channels": value.shape[0], "num_layers": len(levels)} if value is not None and value.dim() else {}


def _fourier_features(x: Tensor) -> Tensor:
    """`[batch]`, 0 … 1 -> `[batch, 8]`: sines and cosines at four scales."""
    angles = math.pi * x[:, None] * torch.tensor([0.5, 1.0, 2.0, 4.0], device=x.device)
    return torch.cat([angles.sin(), angles.cos()], -1)
