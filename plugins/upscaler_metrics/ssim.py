"""`ssim`: structural similarity of two spectrograms seen as pictures (Wang, Bovik, Sheikh and Simoncelli, IEEE Trans. Image
Processing 13 (2004)).

The picture is the spectrogram in dB, from the brightest point of the reference down to 80 dB under it; what is darker is
held there. Around each pixel, weighted by a Gaussian of σ = 1.5 pixels cut at 5, let µ be the means, σ² the variances and
σxy the covariance of the two pictures x and y; then, with D = 80 dB, C1 = (0.01·D)² and C2 = (0.03·D)²,

    SSIM = mean over pixels of  (2·µx·µy + C1)·(2·σxy + C2) / ( (µx² + µy² + C1)·(σx² + σy² + C2) ),

over those whose window lies inside the picture. The darkest level is 0 and the reference's brightest 80, as brightness is.
From the same pictures, scikit-image computes the same with `gaussian_weights=True, sigma=1.5, use_sample_covariance=False`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from upscaler_core import Options
from upscaler_metrics.spectra import decibels, power

RANGE_DB = 80.0
SIGMA, RADIUS = 1.5, 5
C1, C2 = (0.01 * RANGE_DB) ** 2, (0.03 * RANGE_DB) ** 2


class Ssim:
    """The metric `ssim`, mean over channels."""

    unit = ""
    higher_is_better = True

    def __init__(self, options: Options) -> None:
        del options

    def __call__(self, estimate: Tensor, target: Tensor, rate: int) -> Tensor:
        """Two `[batch, channel, time]` -> `[batch]`, −1 … 1; NaN for less than 11 frames (5,120 samples)."""
        del rate
        ours, theirs = power(estimate), power(target)
        brightest = theirs.amax((-2, -1), keepdim=True)
        x, y = ((decibels(p, brightest) + RANGE_DB).clamp(min=0) for p in (ours, theirs))
        return similarity(x, y).mean(-1)


def similarity(x: Tensor, y: Tensor) -> Tensor:
    """Mean SSIM of pictures `[..., height, width]` of levels 0 … 80 -> `[...]`; NaN where no window fits."""
    if min(x.shape[-2:]) <= 2 * RADIUS:
        return x.new_full(x.shape[:-2], torch.nan)
    mx, my, xx, yy, xy = (blurred(picture) for picture in (x, y, x * x, y * y, x * y))
    luminance = (2 * mx * my + C1) / (mx**2 + my**2 + C1)
    structure = (2 * (xy - mx * my) + C2) / (xx - mx**2 + yy - my**2 + C2)
    return (luminance * structure).mean((-2, -1))


def blurred(pictures: Tensor) -> Tensor:
    """Gaussian means `[..., height, width]` -> `[..., height − 10, width − 10]`."""
    bell = [math.exp(-((distance / SIGMA) ** 2) / 2) for distance in range(RADIUS + 1)]
    weights = [weight / (2 * sum(bell) - bell[0]) for weight in bell]
    for axis in (-2, -1):
        # Sums of shifted pictures: ten times as fast as torch's convolution of one channel.
        size = pictures.shape[axis] - 2 * RADIUS
        shifted = [pictures.narrow(axis, first, size) for first in range(2 * RADIUS + 1)]
        pictures = shifted[RADIUS] * weights[0]
        for distance in range(1, RADIUS + 1):
            for picture in (shifted[RADIUS - distance], shifted[RADIUS + distance]):
                pictures.add_(picture, alpha=weights[distance])
    return pictures
