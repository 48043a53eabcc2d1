"""Short signals to test with: float32 unless a docstring says otherwise, full scale ±1.0, the same at every call."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path

import soundfile
import torch
from torch import Tensor

SPEECH = Path(__file__).with_name("speech.flac")
"""One second of real German speech, 48 kHz, mono: Kerstin, CC0."""


def tone(
    frequency: float, rate: int, samples: int, amplitude: float = 0.5, dtype: torch.dtype = torch.float32
) -> Tensor:
    """A sine of `frequency` Hz from phase 0: `[samples]`, computed in float64."""
    n = torch.arange(samples, dtype=torch.float64)
    return (amplitude * torch.sin(2 * math.pi * frequency / rate * n)).to(dtype)


def noise(shape: tuple[int, ...], seed: int = 0, amplitude: float = 0.1) -> Tensor:
    """Gaussian white noise of standard deviation `amplitude`."""
    return amplitude * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def gapped(rate: int, seconds: float = 1.0, channels: int = 2) -> Tensor:
    """Noise bursts between stretches of digital silence: `[channels, time]`."""
    x = noise((channels, round(seconds * rate)), seed=3)
    third = x.shape[-1] // 3
    x[:, third : 2 * third] = 0
    return x


def band_limited(rate: int, cutoff_hz: float, seconds: float = 2.0, channels: int = 1) -> Tensor:
    """Pink-like noise that ends at `cutoff_hz`, by a brick wall in one FFT: `[channels, time]`."""
    spectrum = torch.fft.rfft(noise((channels, round(seconds * rate)), seed=5).double())
    f = torch.fft.rfftfreq(round(seconds * rate), 1 / rate, dtype=torch.float64)
    shape = (f > 20) * (f <= cutoff_hz) / f.clamp(min=100).sqrt()
    x = torch.fft.irfft(spectrum * shape, round(seconds * rate))
    limited: Tensor = (0.1 * x / x.std()).float()
    return limited


def decibels(error: Tensor, reference: Tensor) -> float:
    """Level of an error against a reference, dB: 20·log10 of the ratio of their RMS."""
    ratio = error.double().square().mean() / reference.double().square().mean()
    return 10 * math.log10(max(float(ratio), 1e-40))


@cache
def speech() -> Tensor:
    """The samples of `SPEECH`, `[1, 48000]`. All callers share the tensor, so do not change it."""
    samples, _ = soundfile.read(SPEECH, dtype="float32", always_2d=True)
    return torch.from_numpy(samples.T.copy())


EXAMPLES: dict[str, Callable[[], Tensor]] = {
    "silence": lambda: torch.zeros(2, 48_000),
    "impulse": lambda: torch.nn.functional.pad(torch.ones(2, 1), (24_000, 23_999)),
    "tone": lambda: tone(997, 48_000, 48_000).expand(2, -1).clone(),
    "noise": lambda: noise((2, 48_000)),
    "bursts": lambda: gapped(48_000),
    "band-limited": lambda: band_limited(48_000, 8_000, 1.0, channels=2),
    "speech": lambda: torch.stack([speech()[0], -0.5 * speech()[0]]),
}
"""One second of each kind of signal, by name: `[2, 48000]` at 48 kHz."""
