"""A model with 33 weights, trained in a second, to test whatever uses the output of a trained model."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

from upscaler_core.dsp.stft import StftConfig, stft
from upscaler_core.plugins.protocols import Conditions, Estimate
from upscaler_core.testing.signals import speech

CUTOFF_HZ = 12_000
"""Where the content of the model's input ends, Hz: half of the band, so that the mirror image fills the other half."""
TAPS = 33
"""Length of the filter, samples."""
STEPS = 60
"""Training steps: enough for the test that the model has learned, and a second of time."""
FLOOR = 1e-4
"""Added to magnitudes, so that silence has a logarithm."""


class Tiny(nn.Module):
    """Adds to the baseline its spectrum mirrored about a quarter of the rate, x·(−1)ⁿ, through one short filter."""

    rate, length_multiple, receptive_field = 48_000, 1, TAPS // 2

    def __init__(self) -> None:
        super().__init__()
        impulse = nn.functional.pad(torch.tensor([0.01]), (TAPS // 2, TAPS // 2))
        self.weight = nn.Parameter(impulse[None, None])

    def forward(self, baseline: Tensor, conditions: Conditions) -> Estimate:
        """`[batch, 1, time]` -> an estimate of the same length."""
        position = conditions.start[:, None, None] + torch.arange(baseline.shape[-1], device=baseline.device)
        mirrored = baseline * (1 - 2 * (position % 2))
        return Estimate(baseline + nn.functional.conv1d(mirrored, self.weight, padding=self.receptive_field))


@cache
def trained() -> Tiny:
    """The model, trained on the spectra of a second of speech that ends at 12 kHz. The weights are always the same."""
    baseline, target = pair()
    model = Tiny()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    for _ in range(STEPS):
        optimizer.zero_grad()
        torch.autograd.backward(distance(model(baseline, conditions()).waveform, target))
        optimizer.step()
    return model.eval().requires_grad_(False)


def pair() -> tuple[Tensor, Tensor]:
    """A second of speech low-passed at the cut-off, and the original: each `[1, 1, 48000]`."""
    target = speech()[None]
    spectrum = torch.fft.rfft(target)
    spectrum[..., CUTOFF_HZ:] = 0  # in one second a bin is 1 Hz
    return torch.fft.irfft(spectrum, target.shape[-1]), target


def conditions() -> Conditions:
    """The conditions that go with that second."""
    return Conditions(torch.tensor([float(CUTOFF_HZ)]), torch.zeros(1, dtype=torch.int64), Tiny.rate)


def distance(estimate: Tensor | None, target: Tensor) -> Tensor:
    """Mean distance of the log-magnitudes (natural log) of two `[1, 1, time]` above the cut-off."""
    if estimate is None:
        raise TypeError("a spectral estimate has no waveform")
    grid = StftConfig()
    first = CUTOFF_HZ * grid.n_fft // Tiny.rate
    estimate_level, target_level = ((stft(x, grid).abs() + FLOOR).log()[:, :, first:] for x in (estimate, target))
    return (estimate_level - target_level).abs().mean()
