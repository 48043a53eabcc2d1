"""Phases for magnitudes: the algorithm of Griffin and Lim, plain or with momentum.

A magnitude M and a phase that were not made for each other are not the STFT of any signal: the STFT of their inverse STFT
has other magnitudes. P(S) = STFT(iSTFT(S)) projects a spectrum onto those that are the STFT of a signal. Griffin and Lim
("Signal estimation from modified short-time Fourier transform", 1984) alternate P with a second projection, which puts M
back and keeps the phase. Neither projection can increase the distance between S and P(S). Perraudin, Balazs and
Soendergaard ("A fast Griffin-Lim algorithm", 2013) extrapolate each step with a momentum α, which converges faster, and to
a smaller distance:

    R[n] = P(S[n]),   T[n] = R[n] + α·(R[n] − R[n−1]),   S[n+1] = M·T[n] / |T[n]|

where T[0] = R[0]; for α = 0 this is Griffin-Lim itself. Only the `free` bins take the new phase. All others stay fixed,
such as those below a cut-off, where the phase is known.

>>> config = StftConfig(512, 128)
>>> x = torch.randn(1, 8_192, generator=torch.Generator().manual_seed(0))
>>> magnitude = stft(x, config).abs()
>>> phasor = torch.ones_like(magnitude) + 0j
>>> def error(iterations, momentum):
...     made = griffinlim(
...         magnitude, phasor, torch.tensor(True), config, 8_192, iterations=iterations, momentum=momentum
...     )
...     return float((stft(made, config).abs() - magnitude).norm() / magnitude.norm())
>>> error(16, 0.9) < error(16, 0.0) < error(0, 0.0)
True
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from upscaler_core.dsp.stft import StftConfig, istft, stft

TINY = 1e-9
"""Least magnitude that `unit_phasor` divides by, so that 0 stays 0."""
FAINT = 1e-5
"""STFT magnitude around which `fading_phasor` fades; signals have full scale ±1.0. Fainter phases are rounding noise."""


def unit_phasor(z: Tensor) -> Tensor:
    """exp(j·arg z); 0 where z is 0.

    >>> unit_phasor(torch.tensor([3 + 4j, 0j]))
    tensor([0.6000+0.8000j, 0.0000+0.0000j])
    """
    return z / z.abs().clamp(min=TINY)


def fading_phasor(z: Tensor) -> Tensor:
    """exp(j·arg z), which fades to 0 where z is faint. Its gradient is finite everywhere, also at 0.

    >>> fading_phasor(torch.tensor([3 + 4j, 0j]))
    tensor([0.6000+0.8000j, 0.0000+0.0000j])
    """
    return z / (z.real.square() + z.imag.square() + FAINT**2).sqrt()


def griffinlim(
    magnitude: Tensor,
    phasor: Tensor,
    free: Tensor,
    config: StftConfig,
    samples: int,
    *,
    iterations: int,
    momentum: float = 0.0,
    normalize: Callable[[Tensor], Tensor] = unit_phasor,
) -> Tensor:
    """Make a waveform of a magnitude and a first phase.

    Args:
        magnitude: `[..., n_fft//2 + 1, frame]`, linear.
        phasor: complex, the same shape; the first spectrum is magnitude·phasor. A fixed bin may hold any complex number: it
            is never normalized.
        free: bool, of a shape that broadcasts to the same. Where it is true, the phase is adapted.
        config: frame length and hop of the STFT.
        samples: length of the waveform.
        iterations: steps; 0 is a plain inverse STFT.
        momentum: α, 0 … 1.
        normalize: turns a spectrum into phasors: `unit_phasor`, or `fading_phasor` where a gradient is needed.

    Returns:
        `[..., samples]`.
    """
    previous: Tensor | None = None
    for _ in range(iterations):
        projected = extrapolated = stft(istft(magnitude * phasor, config, samples), config)
        if momentum and previous is not None:
            extrapolated = projected + momentum * (projected - previous)
        previous = projected
        phasor = torch.where(free, normalize(extrapolated), phasor)
    return istft(magnitude * phasor, config, samples)
