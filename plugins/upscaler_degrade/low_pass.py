"""Magnitude responses of the classical low-pass filters, each by its formula, with −6 dB at the cut-off.

An analogue prototype of order n has a squared gain of one form (Oppenheim & Schafer, Discrete-Time Signal Processing,
appendix B; Parks & Burrus, Digital Filter Design, ch. 7), where w is the frequency in the prototype's own unit:

    Butterworth      1 / (1 + w²ⁿ)
    Chebyshev I      1 / (1 + ε²·T²(w)),         ε² = 10^(ripple/10) − 1,       T = cos(n·acos w), cosh(n·acosh w)
    Chebyshev II     1 / (1 + 1 / (ε²·T²(1/w))), 1/ε² = 10^(attenuation/10) − 1
    elliptic         1 / (1 + ε²·R²(w)),         ε as for Chebyshev I
    Bessel           θ²(0) / |θ(jw)|²,           θ(s) = Σ (2n−k)! / (2^(n−k)·k!·(n−k)!) · s^k

R is the elliptic rational function of the selectivity ξ: it is at most 1 up to w = 1, and at least L = R(ξ) from ξ on. For
n = 2 it is

    R(ξ, w) = ((t + 1)·w² − 1) / ((t − 1)·w² + 1),   t = sqrt(1 − 1/ξ²),   t − 1 = −1 / (ξ²·(1 + t))

These functions nest, R₂ₙ(ξ, w) = R₂(Rₙ(ξ, ξ), Rₙ(ξ, w)), which gives every power of two without elliptic integrals
(Lutovac, Tošić and Evans, Filter Design for Signal Processing, ch. 12). As R₂(ξ, ξ) = (ξ + sqrt(ξ² − 1))², its inverse
ξ = (√L + 1/√L) / 2 computes each level's own ξ from the L that ripple and attenuation require.

The bilinear transform makes a digital filter of a prototype: w is proportional to tan(π·f / rate). The factor is chosen
so that −6 dB lies at the cut-off; bisection finds it in the same way for every kind.

A Gaussian-windowed sinc is a brick wall convolved with a Gaussian, ½·erfc((f − c) / (√2·σ)): −6 dB at c. Its transition,
from a gain of 0.99 to 0.01, is 4.65·σ wide. Resampling to a lower rate and back has the same effect.

>>> gain = LowPass("butterworth", 8000.0, order=4).gain(torch.tensor([0.0, 8000.0]).double(), 48000)
>>> [round(g, 9) for g in gain.tolist()]
[1.0, 0.5]
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from upscaler_degrade.options import FilterKind

Prototype = Callable[[Tensor], Tensor]
"""A function from frequencies in the prototype's unit to gains, both float64."""


@dataclass(frozen=True)
class LowPass:
    """One low-pass filter.

    Args:
        kind: name of the kind. Each kind uses only some of the other arguments.
        cutoff_hz: frequency at which the gain is 1/2 (−6 dB), Hz, below the Nyquist frequency.
        order: order of an analogue kind, 2 … 12; a power of two for elliptic.
        ripple_db: ripple in the pass-band (chebyshev-1, elliptic), dB, below 6 dB.
        attenuation_db: attenuation in the stop-band (chebyshev-2, elliptic), dB, above 6 dB.
        transition: width of the transition of a windowed sinc, as a share of the cut-off.
    """

    kind: FilterKind
    cutoff_hz: float
    order: int = 4
    ripple_db: float = 1.0
    attenuation_db: float = 60.0
    transition: float = 0.1

    def gain(self, f: Tensor, rate: int) -> Tensor:
        """Gains at the frequencies `f` (Hz, float64, up to Nyquist) for the sample rate `rate`, Hz."""
        if self.kind == "brickwall":
            return (f < self.cutoff_hz).double()
        if self.kind == "windowed-sinc":
            sigma = self.transition * self.cutoff_hz / 4.65
            edge: Tensor = torch.special.erfc((f - self.cutoff_hz) / (math.sqrt(2) * sigma)) / 2
            return edge
        prototype = self.prototype()
        warped = torch.tan(math.pi * f / rate) / math.tan(math.pi * self.cutoff_hz / rate)
        return prototype(half_gain_frequency(prototype) * warped)

    def prototype(self) -> Prototype:
        """The analogue prototype of this kind."""
        if self.kind == "butterworth":
            return lambda w: (1 + w ** (2 * self.order)).rsqrt()
        if self.kind == "bessel":
            return lambda w: bessel(w, self.order)
        if self.kind == "chebyshev-1":
            return lambda w: (1 + excess_loss(self.ripple_db) * chebyshev(w, self.order) ** 2).rsqrt()
        if self.kind == "chebyshev-2":
            return lambda w: (1 + excess_loss(self.attenuation_db) / chebyshev(1 / w, self.order) ** 2).rsqrt()
        ratio = math.sqrt(excess_loss(self.attenuation_db) / excess_loss(self.ripple_db))
        return lambda w: (1 + excess_loss(self.ripple_db) * elliptic(w, self.order, ratio) ** 2).rsqrt()


def half_gain_frequency(prototype: Prototype) -> float:
    """Frequency at which a prototype's gain falls below 1/2. Every prototype here does so exactly once."""
    low, high = math.log(1e-4), math.log(1e4)
    for _ in range(50):
        middle = (low + high) / 2
        above = prototype(torch.tensor(math.exp(middle), dtype=torch.float64)) > 0.5
        low, high = (middle, high) if above else (low, middle)
    return math.exp(low)


def excess_loss(decibels: float) -> float:
    """1 / gain² − 1 for a loss in dB."""
    return float(10 ** (decibels / 10)) - 1


def chebyshev(w: Tensor, order: int) -> Tensor:
    """The Chebyshev polynomial T of a given order, for w >= 0."""
    inside = torch.cos(order * torch.acos(w.clamp(max=1)))
    return torch.where(w <= 1, inside, torch.cosh(order * torch.acosh(w.clamp(min=1))))


def elliptic(w: Tensor, order: int, ratio: float) -> Tensor:
    """The elliptic rational function R with R(ξ) = `ratio`; the order must be a power of two."""
    selectivities = []
    while order > 1:
        ratio = (math.sqrt(ratio) + 1 / math.sqrt(ratio)) / 2
        selectivities.append(ratio)
        order //= 2
    for xi in reversed(selectivities):
        t = math.sqrt(1 - 1 / xi**2)
        w = ((1 + t) * w**2 - 1) / (1 - w**2 / (xi**2 * (1 + t)))
    return w


def bessel(w: Tensor, order: int) -> Tensor:
    """Gains of the Bessel filter whose delay at 0 Hz is 1."""
    factor = math.factorial
    s = torch.complex(torch.zeros_like(w), w)
    theta = torch.zeros_like(s)
    for k in range(order, -1, -1):
        theta = theta * s + factor(2 * order - k) / (2 ** (order - k) * factor(k) * factor(order - k))
    gain: Tensor = factor(2 * order) / (2**order * factor(order)) / theta.abs()
    return gain
