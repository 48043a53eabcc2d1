"""The losses that this plugin offers."""

from __future__ import annotations

from collections.abc import Iterable

from upscaler_core import Component, hookimpl
from upscaler_losses import options


@hookimpl
def upscaler_losses() -> Iterable[Component]:
    """Offer the losses."""
    return [
        Component(
            "multi-resolution-stft",
            "upscaler_losses.spectral:MultiResolutionStft",
            options.StftOptions,
            "differences of magnitudes and of log magnitudes at several resolutions",
        ),
        Component("l1", "upscaler_losses.waveform:L1", summary="mean absolute difference of the samples"),
        Component(
            "log-spectral-distance",
            "upscaler_losses.spectral:LogSpectralDistance",
            summary="the metric LSD itself, differentiable",
        ),
        Component(
            "metric",
            "upscaler_losses.metric_loss:MetricLoss",
            options.MetricLossOptions,
            "any metric that can be differentiated, such as ssim",
        ),
        Component(
            "stereo",
            "upscaler_losses.stereo:Stereo",
            options.StereoOptions,
            "another loss of mid and side in place of left and right",
        ),
        Component(
            "adversarial",
            "upscaler_losses.adversarial:Adversarial",
            options.AdversarialOptions,
            "a multi-resolution spectral discriminator, with feature matching",
        ),
    ]
