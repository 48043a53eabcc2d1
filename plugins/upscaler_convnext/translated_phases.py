"""Phases for magnitudes that a model predicted above the cut-off c.

They begin as the phases of the source, translated: the half octave below 0.85 c is laid end to end upwards, as often as it
takes. Each shift is a multiple of those bins whose phase turns by a full circle in one hop. So a transient below is a
transient above, and no random numbers are needed. Fast Griffin-Lim (see `upscaler_core.dsp.griffinlim`) then makes phases
and magnitudes agree above the cut-off, and leaves the source below it as it is.

A soft low-pass leaves something above the cut-off, too. Where that is within 20 dB of the predicted magnitude, its phases
are kept; and a magnitude is never less than the source's own.

>>> config = StftConfig(2048, 512)
>>> full = torch.randn(1, 1, 16_384, generator=torch.Generator().manual_seed(0))
>>> source = torch.fft.irfft(torch.fft.rfft(full) * (torch.linspace(0, 24_000, 8_193) < 6_000))
>>> target = stft(full, config).abs().log()
>>> def error(iterations):
...     made = add_phases(target, source, config, torch.tensor([6_000.0]), 48_000, iterations)
...     return float((stft(made, config).abs() - target.exp())[..., 260:, 4:-4].square().mean())
>>> error(8) < 0.7 * error(0)
True
"""

from __future__ import annotations

import torch
from torch import Tensor

from upscaler_core import StftConfig, stft
from upscaler_core.dsp import griffinlim, unit_phasor

MOMENTUM = 0.9
"""α of fast Griffin-Lim."""
TOP = 0.85
"""Upper end of the translated band, as a part of the cut-off: what lies above it may be the slope of a filter."""
KNOWN = 0.1
"""Part of the predicted magnitude (−20 dB) from which on the source's own phase is kept."""


def add_phases(
    log_magnitude: Tensor, source: Tensor, config: StftConfig, cutoff_hz: Tensor, rate: int, iterations: int
) -> Tensor:
    """Make a waveform: the source below the cut-off, and the predicted magnitudes above it.

    Args:
        log_magnitude: `[batch, 1, bin, frame]`, natural logarithm.
        source: `[batch, 1, time]`.
        config: frame length and hop of the STFT.
        cutoff_hz: `[batch]`.
        rate: Hz.
        iterations: steps of fast Griffin-Lim.

    Returns:
        `[batch, 1, time]`.
    """
    spectrum = stft(source, config)
    magnitude = log_magnitude.exp()
    f = torch.arange(magnitude.shape[-2], device=source.device) * rate / config.n_fft
    above = (f >= cutoff_hz[:, None])[:, None, :, None]
    known = spectrum.abs() > KNOWN * magnitude
    phasor = unit_phasor(torch.where(known, spectrum, translate(spectrum, config, cutoff_hz, rate)))
    return griffinlim(
        torch.where(above, magnitude.maximum(spectrum.abs()), 1),
        torch.where(above, phasor, spectrum),
        above & ~known,
        config,
        source.shape[-1],
        iterations=iterations,
        momentum=MOMENTUM,
    )


def translate(spectrum: Tensor, config: StftConfig, cutoff_hz: Tensor, rate: int) -> Tensor:
    """Lay the half octave below 0.85 of the cut-off end to end above it, in a spectrum `[batch, 1, bin, frame]`."""
    turn = config.n_fft // config.hop  # bins; a shift by these turns the phase by a full circle in one hop
    top = (TOP * cutoff_hz * config.n_fft / rate / turn).long().clamp(min=2) * turn
    width = (top // 2 // turn).clamp(min=1) * turn
    bins = torch.arange(spectrum.shape[-2], device=spectrum.device)
    low = (top - width)[:, None]
    index = torch.where(bins < top[:, None], bins, low + (bins - low) % width[:, None])
    return torch.take_along_dim(spectrum, index[:, None, :, None], -2)
