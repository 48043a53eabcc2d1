"""`magnitude-phase`: one model's magnitude with the phase of another one's waveform (white paper §2.2.4); `random-phase`.

    output = iSTFT(M · exp(jΦ)),   M = exp(log-magnitude),   Φ = arg STFT(waveform)

exp(jΦ) is Z / |Z|, and fades to 0 where |Z| does: where the waveform says nothing, there is no phase to take, and a gradient
must not explode. M and Φ of two models are no consistent pair: the iSTFT's own STFT has other magnitudes. Each Griffin-Lim
iteration (1984) takes that STFT's phase above the cut-off instead, and keeps M and the phase below.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from upscaler_core import Conditions, Estimate, StftConfig, UsageError, istft, noise, stft
from upscaler_fusion.plugin import MagnitudePhaseOptions, RandomPhaseOptions

FAINT = 1e-5
"""Magnitude below which a waveform has no phase worth taking."""


class MagnitudePhase:
    """The fusion `magnitude-phase`."""

    def __init__(self, options: MagnitudePhaseOptions) -> None:
        self.options = options
        self.receptive_field = receptive_field(options.iterations)

    def __call__(self, estimates: Mapping[str, Estimate], baseline: Tensor, conditions: Conditions) -> Tensor:
        """A log-magnitude and a waveform -> `[batch, 1, time]`."""
        log_magnitude, grid = _magnitude(estimates, self.options.magnitude)
        timed = _estimate(estimates, self.options.phase).waveform
        if timed is None:
            raise UsageError(f"magnitude-phase: the model '{self.options.phase}' gives no waveform to take a phase of")
        return joined(log_magnitude, timed, grid, self.options.iterations, conditions)


class RandomPhase:
    """The fusion `random-phase`: above the cut-off, noise lends its phase."""

    def __init__(self, options: RandomPhaseOptions) -> None:
        self.options = options
        self.receptive_field = receptive_field(options.iterations)

    def __call__(self, estimates: Mapping[str, Estimate], baseline: Tensor, conditions: Conditions) -> Tensor:
        """A log-magnitude -> `[batch, 1, time]`."""
        log_magnitude, grid = _magnitude(estimates, self.options.magnitude)
        drawn = [
            noise(conditions.seed, "random-phase", start, baseline.shape[-1]) for start in conditions.start.tolist()
        ]
        hiss = stft(torch.stack(drawn)[:, None].to(baseline), grid) * _above(grid, conditions)
        timed = baseline + istft(hiss, grid, baseline.shape[-1])
        return joined(log_magnitude, timed, grid, self.options.iterations, conditions)


def receptive_field(iterations: int) -> int:
    """Samples on each side that a sample depends on."""
    return StftConfig().n_fft * (1 + iterations)


def joined(log_magnitude: Tensor, timed: Tensor, grid: StftConfig, iterations: int, conditions: Conditions) -> Tensor:
    """A log-magnitude with the phase of the waveform `timed` `[batch, 1, time]`: the same shape."""
    magnitude, samples = log_magnitude.float().exp(), timed.shape[-1]
    phasor = unit(stft(timed, grid))
    for _ in range(iterations):
        again = stft(istft(magnitude * phasor, grid, samples), grid)
        phasor = torch.where(_above(grid, conditions), unit(again), phasor)
    return istft(magnitude * phasor, grid, samples)


def unit(z: Tensor) -> Tensor:
    """exp(j·arg z), fading to 0 where z is faint.

    >>> unit(torch.tensor([3 + 4j, 0j]))
    tensor([0.6000+0.8000j, 0.0000+0.0000j])
    """
    return z / (z.real.square() + z.imag.square() + FAINT**2).sqrt()


def _above(grid: StftConfig, conditions: Conditions) -> Tensor:
    """Which bins lie above each item's cut-off: `[batch, 1, bin, 1]`."""
    bins = torch.arange(grid.n_fft // 2 + 1, device=conditions.cutoff_hz.device) * conditions.rate / grid.n_fft
    return (bins > conditions.cutoff_hz[:, None])[:, None, :, None]


def _estimate(estimates: Mapping[str, Estimate], name: str) -> Estimate:
    try:
        return estimates[name]
    except KeyError:
        there = ", ".join(estimates) or "none"
        raise UsageError(f"the fusion names the model '{name}', but the pipeline's are {there}") from None


def _magnitude(estimates: Mapping[str, Estimate], name: str) -> tuple[Tensor, StftConfig]:
    estimate = _estimate(estimates, name)
    if estimate.log_magnitude is None or estimate.grid is None:
        raise UsageError(f"the fusion takes its magnitude from '{name}', but '{name}' gives no magnitude")
    return estimate.log_magnitude, estimate.grid
