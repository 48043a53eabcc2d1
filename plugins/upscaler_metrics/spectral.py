"""Distances between spectrograms: log-spectral distance, modulation and envelope error, low-band SNR.

**Log-spectral distance.** With P[k, m] the power in bin k of frame m of the estimate, and R[k, m] of the reference,

    LSD = mean over m of sqrt( mean over k of ( L(P[k, m]) − L(R[k, m]) )² ),      mean over channels.

What L is differs between papers that give the same formula, and so do their figures:

* `house`: L(P) = log10(max(P, 10⁻⁸)), n_fft 2048, hop 512 (AP-BWE, AERO and NU-Wave 2 in their published code). A gain of 2
  everywhere scores 2·log10(2) = 0.602.
* `paper`: the white paper's §5.1, log10(S), with S the magnitude spectrogram: half of `house` to the last digit.
* `ssr_eval`: log10(T² / (E + 10⁻¹²)² + 10⁻¹²) of magnitudes, n_fft 2048 at 44.1 kHz and in proportion at other rates, hop
  10 ms. It has next to no floor, so that digital silence and brick walls decide.

**Modulation and envelope.** With E[m] the frame's energy above the cut-off in dB, both signals' held up at 60 dB under the
reference's loudest frame, and σ the standard deviation over m,

    modulation error = | σ(E_estimate) − σ(E_reference) |,      envelope error = σ(E_estimate − E_reference),      dB.

The first asks whether what was added comes and goes as much as it should, the second whether it does at the same moments,
and is never less. A constant gain costs nothing in either. Noise of constant level scores the reference's own modulation in
both, and so does adding nothing.

**Low-band SNR.** The reference's energy over the error's, summed over all bins below 0.8 of the cut-off and all frames.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from upscaler_metrics.options import CutoffOptions, LsdHfOptions, LsdOptions
from upscaler_metrics.spectra import HOP, N_FFT, TINY, above, decibels, power

FLOOR = 1e-8
"""The least power of which `house` takes a logarithm."""
EPSILON = 1e-12
"""What ssr_eval adds."""
DEPTH_DB = 60.0
"""How far under its loudest frame the reference's modulation is followed."""
KEPT = 0.8
"""Of the cut-off: no resampler's edge begins below."""


def lsd(options: LsdOptions) -> LogSpectralDistance:
    """The metric `lsd`."""
    return LogSpectralDistance(options.definition)


def lsd_hf(options: LsdHfOptions) -> LogSpectralDistance:
    """The metric `lsd-hf`."""
    return LogSpectralDistance(options.definition, options.cutoff_hz)


class LogSpectralDistance:
    """LSD over the bins above `cutoff_hz`, or all of them."""

    unit = "log10"
    higher_is_better = False

    def __init__(self, definition: Literal["house", "paper", "ssr_eval"], cutoff_hz: float | None = None) -> None:
        self.definition = definition
        self.cutoff_hz = cutoff_hz

    def __call__(self, estimate: Tensor, target: Tensor, rate: int) -> Tensor:
        """Two `[batch, channel, time]` -> `[batch]`; NaN where no bin lies above the cut-off."""
        n_fft, hop = (int(2048 / (44_100 / rate)), rate // 100) if self.definition == "ssr_eval" else (N_FFT, HOP)
        first = 0 if self.cutoff_hz is None else above(self.cutoff_hz, rate, n_fft)
        ours, theirs = (power(x, n_fft, hop)[..., first:, :] for x in (estimate, target))
        if self.definition == "ssr_eval":
            difference = torch.log10(theirs / (ours.sqrt() + EPSILON).square() + EPSILON)
        else:
            difference = torch.log10(ours.clamp(min=FLOOR)) - torch.log10(theirs.clamp(min=FLOOR))
        distance = difference.square().mean(-2).sqrt().mean((-2, -1))
        return distance / 2 if self.definition == "paper" else distance


class FrameEnergies:
    """What the metrics of the energy above the cut-off have in common."""

    unit = "dB"
    higher_is_better = False

    def __init__(self, options: CutoffOptions) -> None:
        self.cutoff_hz = options.cutoff_hz

    def energies(self, estimate: Tensor, target: Tensor, rate: int) -> tuple[Tensor, Tensor]:
        """Both signals' `[batch, channel, frame]`, dB."""
        first = above(self.cutoff_hz, rate)
        ours, theirs = (power(x, mirrored=False)[..., first:, :].sum(-2) for x in (estimate, target))
        floor = theirs.amax(-1, keepdim=True) * 10 ** (-DEPTH_DB / 10) + TINY
        return 10 * ours.maximum(floor).log10(), 10 * theirs.maximum(floor).log10()


class ModulationError(FrameEnergies):
    """The metric `modulation-error`."""

    def __call__(self, estimate: Tensor, target: Tensor, rate: int) -> Tensor:
        """Two `[batch, channel, time]` -> `[batch]`, dB, mean over channels."""
        ours, theirs = (energy.std(-1, correction=0) for energy in self.energies(estimate, target, rate))
        return (ours - theirs).abs().mean(-1)


class EnvelopeError(FrameEnergies):
    """The metric `envelope-error`."""

    def __call__(self, estimate: Tensor, target: Tensor, rate: int) -> Tensor:
        """Two `[batch, channel, time]` -> `[batch]`, dB, mean over channels."""
        ours, theirs = self.energies(estimate, target, rate)
        return (ours - theirs).std(-1, correction=0).mean(-1)


class LowBandSnr:
    """The metric `low-band-snr`."""

    unit = "dB"
    higher_is_better = True

    def __init__(self, options: CutoffOptions) -> None:
        self.cutoff_hz = options.cutoff_hz

    def __call__(self, estimate: Tensor, target: Tensor, rate: int) -> Tensor:
        """Two `[batch, channel, time]` -> `[batch]`, dB, mean over channels."""
        end = above(KEPT * self.cutoff_hz, rate)
        kept, error = (power(x, mirrored=False)[..., :end, :].mean((-2, -1)) for x in (target, estimate - target))
        return decibels(kept, error).mean(-1)
