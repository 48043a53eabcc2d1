"""The options of the losses. This module imports no torch, so that listings of the components stay fast."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from upscaler_core import Options, option

FftSize = Annotated[int, Field(ge=32, le=16_384, multiple_of=4)]


class SpectralOptions(Options):
    """Options of all losses on several spectra. The defaults are those of the white paper (§3.3.1)."""

    fft_sizes: tuple[FftSize, ...] = option(
        (512, 1024, 2048), min_length=1, unit="samples", help="length of each resolution's frames; hops are a quarter"
    )
    floor: float = option(
        1e-4, gt=0, le=1, help="smaller magnitudes count as this in logarithms; a full-scale sine has n_fft / 4"
    )


class StftOptions(SpectralOptions):
    """Options of `multi-resolution-stft`."""

    linear_weight: float = option(1.0, ge=0, help="weight of the magnitudes' mean absolute difference")
    log_weight: float = option(1.0, ge=0, help="weight of the natural log magnitudes' mean absolute difference")


class StereoOptions(StftOptions):
    """Options of `stereo`."""

    of: Literal["multi-resolution-stft", "l1"] = option(
        "multi-resolution-stft", help="the loss that mid and side get; l1 uses none of the other options"
    )


class MetricLossOptions(Options):
    """Options of `metric`."""

    metric: str = option("ssim", help="a metric with a best value that torch can differentiate")
    rate: int = option(48_000, ge=1_000, le=768_000, unit="Hz", help="the sample rate that it is told")


class AdversarialOptions(SpectralOptions):
    """Options of `adversarial`."""

    form: Literal["log", "least-squares", "hinge"] = option(
        "log", help="form of the adversarial loss: the white paper's logarithms (§3.3.3), LSGAN or the hinge"
    )
    feature_matching: float = option(
        2.0, ge=0, help="weight of the mean absolute difference of the discriminator's inner features"
    )
    channels: int = option(32, ge=1, le=256, help="feature maps of each layer of the discriminator")
