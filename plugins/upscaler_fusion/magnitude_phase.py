"""`magnitude-phase`: one model's magnitude with the phase of another one's waveform (white paper §2.2.4).

    output = iSTFT(M · exp(jΦ)),   M = exp(log-magnitude),   Φ = arg STFT(waveform)

exp(jΦ) is Z / |Z|, and fades to 0 where |Z| does: where the waveform says nothing, there is no phase to take, and a gradient
must not explode. M and Φ of two models are no consistent pair: the iSTFT's own STFT has other magnitudes. Each Griffin-Lim
iteration (1984) takes that STFT's phase above the cut-off instead, and keeps M and the phase below.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from upscaler_core import Conditions, Estimate, Grid, UsageError, istft, stft
from upscaler_fusion.plugin import MagnitudePhaseOptions

FAINT = 1e-5
"""Magnitude below which a waveform has no phase worth taking."""


class MagnitudePhase:
    """The fusion `magnitude-phase`."""

    def __init__(self, options: MagnitudePhaseOptions) -> None:
        self.options = options
        self.reach = Grid().n_fft * (1 + options.iterations)

    def __call__(self, estimates: Mapping[str, Estimate], baseline: Tensor, about: Conditions) -> Tensor:
        """A log-magnitude and a waveform -> `[batch, 1, time]`."""
        loud, timed = (_estimate(estimates, name) for name in (self.options.magnitude, self.options.phase))
        if loud.log_magnitude is None or loud.grid is None:
            raise UsageError(f"magnitude-phase: the model '{self.options.magnitude}' gives no magnitude")
        if timed.waveform is None:
            raise UsageError(f"magnitude-phase: the model '{self.options.phase}' gives no waveform to take a phase of")
        grid, samples = loud.grid, baseline.shape[-1]
        magnitude = loud.log_magnitude.float().exp()
        phasor = unit(stft(timed.waveform, grid))
        above = _bins(grid, about) > about.cutoff_hz[:, None, None, None]
        for _ in range(self.options.iterations):
            again = stft(istft(magnitude * phasor, grid, samples), grid)
            phasor = torch.where(above, unit(again), phasor)
        return istft(magnitude * phasor, grid, samples)


def unit(z: Tensor) -> Tensor:
    """exp(j·arg z), fading to 0 where z is faint.

    >>> unit(torch.tensor([3 + 4j, 0j]))
    tensor([0.6000+0.8000j, 0.0000+0.0000j])
    """
    return z / (z.real.square() + z.imag.square() + FAINT**2).sqrt()


def _bins(grid: Grid, about: Conditions) -> Tensor:
    """Frequencies of the bins, Hz: `[bin, 1]`."""
    return torch.arange(grid.n_fft // 2 + 1, device=about.cutoff_hz.device)[:, None] * about.rate / grid.n_fft


def _estimate(estimates: Mapping[str, Estimate], name: str) -> Estimate:
    try:
        return estimates[name]
    except KeyError:
        there = ", ".join(estimates) or "none"
        raise UsageError(f"magnitude-phase names the model '{name}', but the pipeline's are {there}") from None
