"""A guess of a spectrum above a cut-off that needs no learning: the level below it goes on, and falls by 12 dB an octave.

Let X[k, m] be bin k of frame m, f[k] its frequency, and c the cut-off. The level of a frame is

    level[m] = mean of ln |X[k, m]| over the reference band, 0.65·c … 0.88·c,

and the guess falls from it with the square of the frequency, counted from a reference frequency r:

    ln |G[k, m]| = level[m] − 2·ln 2·log2(f[k] / r),     or     |G[k, m]| = exp(level[m])·(r / f[k])².

2·ln 2 is the natural logarithm of 4, and a factor of 4 in magnitude is 12 dB. The band begins high enough to say what the
spectrum does near the cut-off, and ends low enough to be free of the slope of an ordinary low-pass filter. Models differ in
r, in whether the band includes its ends, and in the form of the mean. Each model keeps its own details, because its weights
were trained with them.

>>> import torch
>>> f = torch.arange(1, 9) * 1_000.0
>>> log_magnitude = torch.full((8, 1), 3.0)  # one frame, flat up to 4 kHz
>>> low, high = REFERENCE_BAND
>>> level = band_level(log_magnitude, ((f >= low * 4_000) & (f <= high * 4_000))[:, None])
>>> guess = tilted_log_magnitude(level, (f / 4_000).log2()[:, None])
>>> [round(20 / math.log(10) * float(guess[k] - level)) for k in (1, 3, 7)]  # 2, 4 and 8 kHz, dB
[12, 0, -12]
>>> bool((tilted_magnitude(level, (4_000 / f)[:, None]) - guess.exp()).abs().max() < 1e-3)
True
"""

from __future__ import annotations

import math

from torch import Tensor

REFERENCE_BAND = (0.65, 0.88)
"""Ends of the reference band, as parts of the cut-off: nearly half an octave, below the slope of a usual low-pass."""
TILT_PER_OCTAVE = 2 * math.log(2)
"""12 dB, as natural logarithm of magnitude: what the guess falls in an octave."""


def band_level(log_magnitude: Tensor, band: Tensor, *, as_product: bool = False) -> Tensor:
    """The mean over the bins of a band, in each frame.

    Args:
        log_magnitude: `[..., bin, frame]`, natural logarithm.
        band: bool `[..., bin, 1]`, the bins that count. Where there is none, the level is 0.
        as_product: compute the sum as a matrix product. It is faster, and its last bits differ.

    Returns:
        `[..., 1, frame]`.
    """
    weights = band.float()
    total = weights.mT @ log_magnitude if as_product else (log_magnitude * weights).sum(-2, keepdim=True)
    # The count is float32, so that the quotient is, too, where autocast has computed the product in bfloat16.
    return total / weights.sum(-2, keepdim=True).clamp(min=1)


def tilted_log_magnitude(level: Tensor, octaves: Tensor) -> Tensor:
    """The guess: `level` less 12 dB for each of `octaves` above the reference frequency. Both broadcast."""
    return level - TILT_PER_OCTAVE * octaves


def tilted_magnitude(level: Tensor, ratio: Tensor) -> Tensor:
    """The guess as a linear magnitude; `ratio` is the reference frequency over the frequency. Both broadcast."""
    return level.exp() * ratio**2
