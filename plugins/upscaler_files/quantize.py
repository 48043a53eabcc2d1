"""Turns float samples into integers: scaling, dither, rounding, clamping.

Rounding alone makes an error that follows the signal and is audible as distortion. Triangular noise of 2 LSB peak to
peak, added before it, makes the error's mean zero and its power constant (0.25 LSB²) whatever the signal:
S. P. Lipshitz, R. A. Wannamaker and J. Vanderkooy, "Quantization and dither: a theoretical survey", J. Audio Eng.
Soc. 40 (1992). Noise shaping moves that error to where it is less audible: see `upscaler_files.shaping`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from upscaler_core import noise
from upscaler_files.shaping import Shaper, noise_filter

BLOCK = 4096
"""Samples of the fixed blocks, counted from sample 0, in which silence is looked for."""


class Quantizer:
    """Quantizes a stream. The result does not depend on how the stream was cut into blocks.

    Channels share the dither, so that identical channels stay identical. A channel gets no dither in a block of `BLOCK`
    samples that are all zero there: digital silence stays digital silence.

    Args:
        bits: of the integers, 2 … 32.
        dither: add triangular noise before rounding.
        seed: of that noise.
        taps: of the filter that shapes the noise, see `shaping.noise_filter`; none for white noise.
    """

    def __init__(self, bits: int, dither: bool = True, seed: int = 0, taps: Sequence[float] = ()) -> None:
        self.bits = bits
        self.clipped = 0
        """Samples beyond full scale (±1.0) by more than half an LSB, which were clamped."""
        self._dither = dither
        self._seed = seed
        self._taps = taps
        self._shapers: list[Shaper] = []  # one for each channel
        self._position = 0
        self._rest: Tensor | None = None  # less than a block

    def push(self, block: Tensor) -> Tensor:
        """Take float `[channel, time]`; return what is complete so far, int32 `[channel, time]`."""
        block = block if self._rest is None else torch.cat((self._rest, block), 1)
        complete = block.shape[1] - block.shape[1] % BLOCK
        self._rest = block[:, complete:].clone()
        return self._quantize(block[:, :complete])

    def finish(self) -> Tensor:
        """Return the rest."""
        rest, self._rest = self._rest, None
        return torch.empty(0, 0, dtype=torch.int32) if rest is None else self._quantize(rest)

    def _quantize(self, x: Tensor) -> Tensor:
        scale = 2.0 ** (self.bits - 1)
        y = x.double() * scale
        self.clipped += int((y.abs() > scale + 0.5).sum())
        dither = self._triangular(x.shape[1]) * _not_silent(x) if self._dither else torch.zeros_like(y)
        self._position += x.shape[1]
        y = self._shape(y, dither) if self._taps else (y + dither).round_()
        return y.clamp_(-scale, scale - 1).to(torch.int32)

    def _shape(self, x: Tensor, dither: Tensor) -> Tensor:
        """Round with feedback of the errors, which stops at digital silence."""
        y = torch.zeros_like(x)
        self._shapers = self._shapers or [Shaper(self._taps) for _ in x]
        for channel, shaper in enumerate(self._shapers):
            for start in range(0, x.shape[1], BLOCK):
                here = slice(start, start + BLOCK)
                if x[channel, here].any():
                    rounded = shaper(x[channel, here].tolist(), dither[channel, here].tolist())
                    y[channel, here] = torch.tensor(rounded, dtype=y.dtype)
                else:
                    shaper.reset()
        return y

    def _triangular(self, length: int) -> Tensor:
        """Noise between −1 and 1 LSB, as the difference of two uniform ones."""
        first, second = (
            noise(self._seed, f"dither-{part}", self._position, length, uniform=True).double() for part in (1, 2)
        )
        return first - second


def quantizer_for(bits: int, dither: Literal["tpdf", "shaped", "none"], rate: int, seed: int) -> Quantizer:
    """The quantizer for the option `dither` of an exporter."""
    return Quantizer(bits, dither != "none", seed, noise_filter(rate) if dither == "shaped" else ())


def _not_silent(x: Tensor) -> Tensor:
    """1.0 at the samples `[channel, time]` of blocks that hold anything but zeros."""
    channels, length = x.shape
    blocks = pad(x != 0, (0, -length % BLOCK)).view(channels, -1, BLOCK)
    return blocks.any(2).double().repeat_interleave(BLOCK, 1)[:, :length]
