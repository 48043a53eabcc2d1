"""`ssim`: structural similarity of two spectrograms as pictures (Wang, Bovik, Sheikh and Simoncelli, IEEE Trans. Image
Processing 13 (2004)).

The picture is the spectrogram in dB, from the brightest point of the reference down to 80 dB below it. Darker pixels get the
level of −80 dB. Let µ be the means, σ² the variances and σxy the covariance of the two pictures x and y around each pixel,
weighted by a Gaussian of σ = 1.5 pixels, cut off at a distance of 5. Then, with D = 80 dB, C1 = (0.01·D)², C2 = (0.03·D)²,

    SSIM = mean over pixels of  (2·µx·µy + C1)·(2·σxy + C2) / ( (µx² + µy² + C1)·(σx² + σy² + C2) ),

over the pixels whose window lies inside the picture. The darkest level counts as 0 and the reference's brightest as 80. From
the same pictures, scikit-image computes the same with `gaussian_weights=True, sigma=1.5, use_sample_covariance=False`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from upscaler_core import Options
from upscaler_metrics.spectrogram import decibels, power_spectrogram

RANGE_DB = 80.0
"""The range of levels in the picture, from black to white."""
SIGMA, RADIUS = 1.5, 5
"""The Gaussian's standard deviation and its largest distance, pixels."""
C1, C2 = (0.01 * RANGE_DB) ** 2, (0.03 * RANGE_DB) ** 2
"""The constants of the formula, which keep its denominator above 0."""


class Ssim:
    """The metric `ssim`, mean over channels."""

    unit = ""
    higher_is_better = True

    def __init__(self, options: Options) -> None:
        del options

    def __call__(self, estimate: Tensor, target: Tensor, rate: int) -> Tensor:
        """Two `[batch, channel, time]` -> `[batch]`, −1 … 1; NaN for fewer than 11 frames (5,120 samples)."""
        del rate
        powers = power_spectrogram(estimate), power_spectrogram(target)
        brightest = powers[1].amax((-2, -1), keepdim=True)
        x, y = ((decibels(power, brightest) + RANGE_DB).clamp(min=0) for power in powers)
        return similarity(x, y).mean(-1)


def similarity(x: Tensor, y: Tensor) -> Tensor:
    """Mean SSIM of pictures `[..., height, width]` with levels 0 … 80 -> `[...]`; NaN if smaller than the window."""
    if min(x.shape[-2:]) <= 2 * RADIUS:
        return x.new_full(x.shape[:-2], torch.nan)
    mx, my, xx, yy, xy = (gaussian_means(picture) for picture in (x, y, x * x, y * y, x * y))
    luminance = (2 * mx * my + C1) / (mx**2 + my**2 + C1)
    structure = (2 * (xy - mx * my) + C2) / (xx - mx**2 + yy - my**2 + C2)
    return (luminance * structure).mean((-2, -1))


def gaussian_means(pictures: Tensor) -> Tensor:
    """Mean around each pixel, weighted by the Gaussian: `[..., height, width]` -> `[..., height − 10, width − 10]`."""
    gaussian = [math.exp(-((distance / SIGMA) ** 2) / 2) for distance in range(RADIUS + 1)]
    weights = [weight / (2 * sum(gaussian) - gaussian[0]) for weight in gaussian]
    for axis in (-2, -1):
        # Adding shifted pictures is ten times as fast as torch's convolution of one channel.
        size = pictures.shape[axis] - 2 * RADIUS
        shifted = [pictures.narrow(axis, first, size) for first in range(2 * RADIUS + 1)]
        pictures = shifted[RADIUS] * weights[0]
        for distance in range(1, RADIUS + 1):
            for picture in (shifted[RADIUS - distance], shifted[RADIUS + distance]):
                pictures.add_(picture, alpha=weights[distance])
    return pictures
