"""`magnitude-phase`: one model's magnitude with the phase of another model's waveform (white paper §2.2.4); `random-phase`.

    output = iSTFT(M · exp(jΦ)),   M = exp(log-magnitude),   Φ = arg STFT(waveform)

exp(jΦ) is Z / |Z|, and fades to 0 where |Z| does: where the waveform is silent, there is no phase to take, and a gradient
must not explode. M and Φ of two models are not consistent: the STFT of their iSTFT has other magnitudes. Each Griffin-Lim
iteration (see `upscaler_core.dsp.griffinlim`) takes the phase of that STFT above the cut-off, and keeps M and the phase
below."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from upscaler_core import Conditions, Estimate, StftConfig, UsageError, istft, noise, stft
from upscaler_core.dsp import fading_phasor, griffinlim
from upscaler_fusion.plugin import MagnitudePhaseOptions, RandomPhaseOptions


class MagnitudePhase:
    """The fusion `magnitude-phase`."""

    def __init__(self, options: MagnitudePhaseOptions) -> None:
        self.options = options
        self.receptive_field = receptive_field(options.iterations)

    def __call__(self, estimates: Mapping[str, Estimate], baseline: Tensor, conditions: Conditions) -> Tensor:
        """A log-magnitude and a waveform -> `[batch, 1, time]`."""
        log_magnitude, config = _magnitude(estimates, self.options.magnitude)
        waveform = _estimate(estimates, self.options.phase).waveform
        if waveform is None:
            raise UsageError(f"magnitude-phase: the model '{self.options.phase}' gives no waveform to take a phase of")
        return combine(log_magnitude, waveform, config, self.options.iterations, conditions)


class RandomPhase:
    """The fusion `random-phase`: above the cut-off, the phase is that of noise."""

    def __init__(self, options: RandomPhaseOptions) -> None:
        self.options = options
        self.receptive_field = receptive_field(options.iterations)

    def __call__(self, estimates: Mapping[str, Estimate], baseline: Tensor, conditions: Conditions) -> Tensor:
        """A log-magnitude -> `[batch, 1, time]`."""
        log_magnitude, config = _magnitude(estimates, self.options.magnitude)
        samples = baseline.shape[-1]
        rows = [noise(conditions.seed, "random-phase", start, samples) for start in conditions.start.tolist()]
        high_noise = stft(torch.stack(rows)[:, None].to(baseline), config) * _above(config, conditions)
        waveform = baseline + istft(high_noise, config, samples)
        return combine(log_magnitude, waveform, config, self.options.iterations, conditions)


def receptive_field(iterations: int) -> int:
    """Samples on each side that an output sample depends on."""
    return StftConfig().n_fft * (1 + iterations)


def combine(
    log_magnitude: Tensor, waveform: Tensor, config: StftConfig, iterations: int, conditions: Conditions
) -> Tensor:
    """Join a log-magnitude `[batch, 1, bin, frame]` with the phase of a waveform `[batch, 1, time]`: `[batch, 1, time]`."""
    return griffinlim(
        log_magnitude.float().exp(),
        fading_phasor(stft(waveform, config)),
        _above(config, conditions),
        config,
        waveform.shape[-1],
        iterations=iterations,
        normalize=fading_phasor,
    )


def _above(config: StftConfig, conditions: Conditions) -> Tensor:
    """Which bins lie above each item's cut-off: `[batch, 1, bin, 1]`."""
    f = torch.arange(config.n_fft // 2 + 1, device=conditions.cutoff_hz.device) * conditions.rate / config.n_fft
    return (f > conditions.cutoff_hz[:, None])[:, None, :, None]


def _estimate(estimates: Mapping[str, Estimate], name: str) -> Estimate:
    try:
        return estimates[name]
    except KeyError:
        names = ", ".join(estimates) or "none"
        raise UsageError(f"the fusion names the model '{name}', but the pipeline's are {names}") from None


def _magnitude(estimates: Mapping[str, Estimate], name: str) -> tuple[Tensor, StftConfig]:
    estimate = _estimate(estimates, name)
    if estimate.log_magnitude is None or estimate.grid is None:
        raise UsageError(f"the fusion takes its magnitude from '{name}', but '{name}' gives no magnitude")
    return estimate.log_magnitude, estimate.grid
