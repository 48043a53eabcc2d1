"""Shared by the resamplers' tests: the resamplers, signals, and the distance of two signals."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from upscaler_core import MissingDependency, discover
from upscaler_core.dsp import Resample

QUALITIES = ("fast", "balanced", "quality", "exact")
RATES = (
    (44100, 96000),
    (48000, 96000),
    (44100, 48000),
    (44100, 88200),
    (44100, 192000),
    (16000, 48000),
    (8000, 48000),
    (96000, 44100),
)
WILD = ((44101, 96000), (47999, 48000), (96000, 44101))
UP = discover()


def poly(quality: str = "quality") -> Resample:
    return UP.resampler("poly-sinc-hq", dsp_quality=quality)


def installed() -> dict[str, Resample]:
    """Every resampler that this environment can build."""
    resamplers = {f"poly-sinc-hq {quality}": poly(quality) for quality in QUALITIES}
    for name in ("linear", "sinc", "soxr", "torchaudio"):
        try:
            resamplers[name] = UP.resampler(name)
        except MissingDependency:
            continue
    return resamplers


ALL = installed()
DSP = {name: resample for name, resample in ALL.items() if name.partition(" ")[0] in ("poly-sinc-hq", "sinc", "linear")}


def tone(hertz: float, rate: int, samples: int, dtype: torch.dtype = torch.float64) -> Tensor:
    angle = torch.arange(samples, dtype=torch.float64) * (2 * math.pi * hertz / rate) + 0.3
    return (0.9 * torch.sin(angle)).to(dtype)


def noise(channels: int, samples: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(channels, samples, generator=generator, dtype=torch.float64) * 0.2).to(dtype)


def db(error: Tensor, signal: Tensor) -> float:
    """RMS of the error relative to the signal's, dB."""
    return 20 * math.log10(max(float(error.double().std() / signal.double().std()), 1e-20))
