"""Phases for magnitudes that came without.

Above the cut-off c they begin as the source's own, translated: the half octave below 0.85 c is laid end to end upwards, as
often as it takes, by whole multiples of the bins that one hop turns by a full circle. A transient below is so a transient
above, and no chance is needed. But a magnitude and a phase that were not made for each other are no signal's: the inverse
STFT's own magnitudes differ from those asked for. Fast Griffin-Lim (Perraudin, Balazs and Soendergaard 2013) brings them
together: with P the projection STFT(iSTFT(·)) and S0 the beginning,

    R[n] = P(S[n]),   T[n] = R[n] + α·(R[n] − R[n−1]),   S[n+1] = M·exp(j·arg T[n]) above the cut-off, the source below.

A soft low-pass leaves something above the cut-off, too. Where that is within 20 dB of what is asked for, its phases are
kept, and a magnitude is never less than the source's own.

>>> grid = StftConfig(2048, 512)
>>> full = torch.randn(1, 1, 16_384, generator=torch.Generator().manual_seed(0))
>>> source = torch.fft.irfft(torch.fft.rfft(full) * (torch.linspace(0, 24_000, 8_193) < 6_000))
>>> target = stft(full, grid).abs().log()
>>> def error(iterations):
...     made = with_phases(target, source, grid, torch.tensor([6_000.0]), 48_000, iterations)
...     return float((stft(made, grid).abs() - target.exp())[..., 260:, 4:-4].square().mean())
>>> error(8) < 0.7 * error(0)
True
"""

from __future__ import annotations

import torch
from torch import Tensor

from upscaler_core import StftConfig, istft, stft

MOMENTUM = 0.9
"""α."""
TOP = 0.85
"""Of the cut-off: what lies above it may be a filter's slope."""
KNOWN = 0.1
"""Of the magnitude asked for: from here up the source's own phase is taken."""
FAINT = 1e-9


def with_phases(
    log_magnitude: Tensor, source: Tensor, grid: StftConfig, cutoff_hz: Tensor, rate: int, iterations: int
) -> Tensor:
    """Make a waveform of magnitudes above the cut-off, and the source below it.

    Args:
        log_magnitude: `[batch, 1, bin, frame]`, natural logarithm, on the grid.
        source: `[batch, 1, time]`.
        grid: of the STFT.
        cutoff_hz: `[batch]`.
        rate: Hz.
        iterations: of fast Griffin-Lim.

    Returns:
        `[batch, 1, time]`.
    """
    spectrum, samples = stft(source, grid), source.shape[-1]
    magnitude = log_magnitude.exp()
    above = torch.arange(magnitude.shape[-2], device=source.device) * rate / grid.n_fft >= cutoff_hz[:, None]
    above = above[:, None, :, None]
    known = spectrum.abs() > KNOWN * magnitude
    magnitude = magnitude.maximum(spectrum.abs())

    def with_phase_of(z: Tensor) -> Tensor:
        return torch.where(above, magnitude * _unit(torch.where(known, spectrum, z)), spectrum)

    told = with_phase_of(translated(spectrum, grid, cutoff_hz, rate))
    before: Tensor | None = None
    for _ in range(iterations):
        real = stft(istft(told, grid, samples), grid)
        ahead = real if before is None else real + MOMENTUM * (real - before)
        before = real
        told = with_phase_of(ahead)
    return istft(told, grid, samples)


def translated(spectrum: Tensor, grid: StftConfig, cutoff_hz: Tensor, rate: int) -> Tensor:
    """The source's spectrum `[batch, 1, bin, frame]`, what lies below 0.85 of its cut-off laid end to end above it."""
    turn = grid.n_fft // grid.hop
    top = (TOP * cutoff_hz * grid.n_fft / rate / turn).long().clamp(min=2) * turn
    width = (top // 2 // turn).clamp(min=1) * turn
    bins = torch.arange(spectrum.shape[-2], device=spectrum.device)
    low = (top - width)[:, None]
    index = torch.where(bins < top[:, None], bins, low + (bins - low) % width[:, None])
    return torch.take_along_dim(spectrum, index[:, None, :, None], -2)


def _unit(z: Tensor) -> Tensor:
    return z / z.abs().clamp(min=FAINT)
