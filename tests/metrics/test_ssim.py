"""SSIM, compared with the formula of scikit-image."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from upscaler_core.testing import signals


def naive_ssim(x, y):
    """As scikit-image computes it: gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=80."""

    def blur(picture):
        return ndimage.gaussian_filter(picture, 1.5, truncate=3.5)

    mx, my = blur(x), blur(y)
    vx, vy, vxy = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
    c1, c2 = 0.8**2, 2.4**2
    return ((2 * mx * my + c1) * (2 * vxy + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2)))[5:-5, 5:-5].mean()


def test_ssim_against_the_formula_of_scikit_image(score, music):
    noisy = music + signals.noise((2, 88_200), amplitude=0.003)
    pictures = []
    for x in (noisy, music):
        stft = torch.stft(
            x.double(), 2048, 512, window=torch.hann_window(2048, dtype=torch.float64), return_complex=True
        )
        pictures.append(20 * np.log10(stft.abs().numpy() + 1e-10))
    tops = pictures[1].max((1, 2), keepdims=True)
    x, y = (np.maximum(picture - tops + 80, 0) for picture in pictures)
    twin = np.mean([naive_ssim(a, b) for a, b in zip(x, y, strict=True)])
    assert twin < 0.9
    assert score("ssim", noisy, music, 44_100) == pytest.approx(twin, abs=1e-4)
    assert score("ssim", music, music, 44_100) == pytest.approx(1, abs=1e-6)
