"""Distances between spectrograms: log-spectral distance, modulation and envelope error, low-band SNR.

**Log-spectral distance.** With P[k, m] the power of the estimate in bin k of frame m, and R[k, m] that of the reference,

    LSD = mean over m of sqrt( mean over k of ( L(P[k, m]) − L(R[k, m]) )² ),      mean over channels.

Papers that give the same formula use different functions L, and therefore their figures differ too:

* `house`: L(P) = log10(max(P, 10⁻⁸)), n_fft 2048, hop 512 (AP-BWE, AERO and NU-Wave 2 in their published code). A gain of 2
  everywhere scores 2·log10(2) = 0.602.
* `paper`: the white paper's §5.1, log10(S), with S the magnitude spectrogram: half of `house` to the last digit.
* `ssr_eval`: log10(T² / (E + 10⁻¹²)² + 10⁻¹²) in place of the difference, with the magnitudes T of the reference and E of
  the estimate, n_fft 2048 at 44.1 kHz and in proportion at other rates, hop 10 ms. It has nearly no floor, so that digital
  silence and brick-wall filters determine the result.

**Modulation and envelope.** Let E[m] be the energy of frame m above the cut-off in dB, limited from below to 60 dB under the
reference's loudest frame for both signals, and σ the standard deviation over m. Then

    modulation error = | σ(E_estimate) − σ(E_reference) |,      envelope error = σ(E_estimate − E_reference),      dB.

The modulation error measures whether the level of the added band varies as much as it should. The envelope error measures
whether it varies at the same moments, and is never smaller. A constant gain changes neither. For noise of constant level,
and for an estimate without anything above the cut-off, both errors are the reference's own modulation.

**Low-band SNR.** The energy of the reference divided by that of the error, each summed over all bins below 0.8 of the
cut-off and all frames.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from upscaler_core import StftConfig
from upscaler_metrics.options import CutoffOptions, LsdHfOptions, LsdOptions
from upscaler_metrics.spectrogram import CONFIG, TINY, decibels, first_bin_above, power_spectrogram

FLOOR = 1e-8
"""The least power in the logarithms of `house` and `paper`."""
EPSILON = 1e-12
"""The constant that ssr_eval adds."""
DEPTH_DB = 60.0
"""The modulation is measured down to this far below the reference's loudest frame."""
LOW_BAND = 0.8
"""Upper end of the low band, as a share of the cut-off. No resampler's transition band begins below it."""


def lsd(options: LsdOptions) -> LogSpectralDistance:
    """The metric `lsd`."""
    return LogSpectralDistance(options.definition)


def lsd_hf(options: LsdHfOptions) -> LogSpectralDistance:
    """The metric `lsd-hf`."""
    return LogSpectralDistance(options.definition, options.cutoff_hz)


class LogSpectralDistance:
    """Log-spectral distance over the bins above `cutoff_hz`, or over all bins."""

    unit = "log10"
    higher_is_better = False

    def __init__(self, definition: Literal["house", "paper", "ssr_eval"], cutoff_hz: float | None = None) -> None:
        self.definition = definition
        self.cutoff_hz = cutoff_hz

    def __call__(self, estimate: Tensor, target: Tensor, rate: int) -> Tensor:
        """Two `[batch, channel, time]` -> `[batch]`; NaN if no bin lies above the cut-off."""
        config = StftConfig(int(2048 / (44_100 / rate)), rate // 100) if self.definition == "ssr_eval" else CONFIG
        first = 0 if self.cutoff_hz is None else first_bin_above(self.cutoff_hz, rate, config.n_fft)
        power, reference = (power_spectrogram(x, config)[..., first:, :] for x in (estimate, target))
        if self.definition == "ssr_eval":
            difference = torch.log10(reference / (power.sqrt() + EPSILON).square() + EPSILON)
        else:
            difference = torch.log10(power.clamp(min=FLOOR)) - torch.log10(reference.clamp(min=FLOOR))
        distance = difference.square().mean(-2).sqrt().mean((-2, -1))
        return distance / 2 if self.definition == "paper" else distance


class FrameEnergies:
    """Base of the metrics of the energy above the cut-off."""

    unit = "dB"
    higher_is_better = False

    def __init__(self, options: CutoffOptions) -> None:
        self.cutoff_hz = options.cutoff_hz

    def energies(self, estimate: Tensor, target: Tensor, rate: int) -> tuple[Tensor, Tensor]:
        """The energies of the frames of both signals, `[batch, channel, frame]` each, dB."""
        first = first_bin_above(self.cutoff_hz, rate)
        energy, reference = (power_spectrogram(x, mirrored=False)[..., first:, :].sum(-2) for x in (estimate, target))
        floor = reference.amax(-1, keepdim=True) * 10 ** (-DEPTH_DB / 10) + TINY
        return 10 * energy.maximum(floor).log10(), 10 * reference.maximum(floor).log10()


class ModulationError(FrameEnergies):
    """The metric `modulation-error`."""

    def __call__(self, estimate: Tensor, target: Tensor, rate: int) -> Tensor:
        """Two `[batch, channel, time]` -> `[batch]`, dB, mean over channels."""
        modulation, reference = (energy.std(-1, correction=0) for energy in self.energies(estimate, target, rate))
        return (modulation - reference).abs().mean(-1)


class EnvelopeError(FrameEnergies):
    """The metric `envelope-error`."""

    def __call__(self, estimate: Tensor, target: Tensor, rate: int) -> Tensor:
        """Two `[batch, channel, time]` -> `[batch]`, dB, mean over channels."""
        energy, reference = self.energies(estimate, target, rate)
        return (energy - reference).std(-1, correction=0).mean(-1)


class LowBandSnr:
    """The metric `low-band-snr`."""

    unit = "dB"
    higher_is_better = True

    def __init__(self, options: CutoffOptions) -> None:
        self.cutoff_hz = options.cutoff_hz

    def __call__(self, estimate: Tensor, target: Tensor, rate: int) -> Tensor:
        """Two `[batch, channel, time]` -> `[batch]`, dB, mean over channels."""
        end = first_bin_above(LOW_BAND * self.cutoff_hz, rate)
        signal, error = (
            power_spectrogram(x, mirrored=False)[..., :end, :].mean((-2, -1)) for x in (target, estimate - target)
        )
        return decibels(signal, error).mean(-1)
