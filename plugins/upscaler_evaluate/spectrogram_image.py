"""Spectrograms as PNG images with 8 bits a pixel and a palette of 256 colours (PNG, ISO/IEC 15948).

>>> png(torch.zeros(2, 3, dtype=torch.uint8))[:8]
b'\\x89PNG\\r\\n\\x1a\\n'
"""

from __future__ import annotations

import struct
import zlib

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate, pad

from upscaler_core import StftConfig, stft

HEIGHT, WIDTH = 192, 480
"""Size of an image, pixels."""
RANGE_DB = 80.0
"""Range of levels from black to the brightest colour."""
COLOURS = (
    (0, 0, 4),
    (40, 11, 84),
    (101, 21, 110),
    (159, 42, 99),
    (212, 72, 66),
    (245, 125, 21),
    (250, 193, 39),
    (252, 255, 164),
)
"""Matplotlib's inferno (CC0) at eight places. Its lightness rises evenly, so that colour-blind people can read it too."""


def levels(x: Tensor) -> Tensor:
    """`[channel, time]` -> the spectrogram in dB as `[HEIGHT, WIDTH]`, mean over channels, high frequencies on top."""
    n_fft = 2048 if x.shape[-1] > 2048 else 256
    x = pad(x, (0, max(0, n_fft - x.shape[-1])))
    power = stft(x, StftConfig(n_fft, n_fft // 4), pad="mirror").abs().square().mean(0) / n_fft**2
    return 10 * adaptive_avg_pool2d(power[None], (HEIGHT, WIDTH))[0].flip(0).clamp(min=1e-14).log10()


def render(level: Tensor, brightest: float) -> bytes:
    """A PNG image of levels in dB. Levels of 80 dB or more below `brightest` are black."""
    shade = (1 + (level - brightest) / RANGE_DB).clamp(0, 1)
    return png((255 * shade).round().to(torch.uint8))


def png(pixels: Tensor) -> bytes:
    """`[height, width]` uint8, indices into the palette -> the bytes of a PNG file."""
    height, width = pixels.shape
    palette = interpolate(torch.tensor(COLOURS).T[None].float(), 256, mode="linear", align_corners=True)[0].T
    lines = b"".join(b"\0" + bytes(line) for line in pixels.tolist())
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    colours = bytes(palette.round().to(torch.uint8).flatten().tolist())
    chunks = (b"IHDR", header), (b"PLTE", colours), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
