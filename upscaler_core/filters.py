"""Kaiser-windowed sinc filters: the one design behind every linear-phase filter here, and the pipeline's high-pass.

The ideal low-pass of cut-off c (cycles a sample) has the impulse response 2c·sinc(2ct) without end. A Kaiser window

    w(t) = I0(β·sqrt(1 − (t/r)²)) / I0(β),   |t| <= r

cuts it at ±r; the brick wall becomes a transition of width Δ around c, with ripples of A dB on both sides, where
(Kaiser 1974; Oppenheim & Schafer, Discrete-Time Signal Processing, §7.6)

    β = 0.1102·(A − 8.7)  for A > 50,      2r = (A − 7.95) / (2.285 · 2π · Δ).

>>> reach(100, 0.01)
321
>>> h = lowpass(torch.arange(-321, 322), cutoff=0.2, reach=321, attenuation_db=100)
>>> spectrum = torch.fft.rfft(h, 8192).abs()
>>> f = torch.arange(4097) / 8192
>>> bool((20 * torch.log10(spectrum[f > 0.205])).max() < -100)
True
>>> bool((20 * torch.log10(spectrum[f < 0.195])).abs().max() < 1e-4)
True
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from upscaler_core.protocols import Plan


def reach(attenuation_db: float, transition: float) -> int:
    """Half-length in samples of a Kaiser filter with that stop-band attenuation (dB) and transition (cycles a sample)."""
    return math.ceil((attenuation_db - 7.95) / (2.285 * 2 * math.pi * transition) / 2)


def lowpass(times: Tensor, cutoff: float, reach: float, attenuation_db: float) -> Tensor:
    """Sample the Kaiser-windowed low-pass at any times.

    Args:
        times: where to sample, in samples from the centre; any shape, need not be whole.
        cutoff: −6 dB point, cycles a sample, 0 … 0.5.
        reach: half-length of the window, samples; the response is 0 beyond it.
        attenuation_db: ripple in both bands, dB, above 50.

    Returns:
        float64 of the same shape; unit gain at 0 Hz for times one sample apart.
    """
    t = times.to(torch.float64)
    inside = (1 - (t / reach) ** 2).clamp(min=0)
    beta = torch.tensor(0.1102 * (attenuation_db - 8.7), dtype=torch.float64)
    window = torch.special.i0(beta * inside.sqrt()) / torch.special.i0(beta)
    taps: Tensor = 2 * cutoff * torch.special.sinc(2 * cutoff * t) * window * (t.abs() <= reach)
    return taps


def highpass(rate: int, cutoff_hz: float, *, transition_hz: float = 300.0, attenuation_db: float = 100.0) -> Plan:
    """The filter that keeps what is added out of the source's band: linear phase, delay 0, −6 dB at the cut-off.

    It is one sample's unit impulse less a Kaiser low-pass, run by overlap-save: an FFT of the window, a product with the
    filter's spectrum, and the part of the inverse that the circular ends did not reach.

    Args:
        rate: Hz.
        cutoff_hz: where the source's content ends, Hz; clamped so that the transition stays inside 0 … Nyquist.
        transition_hz: width between pass-band and stop-band, Hz.
        attenuation_db: stop-band attenuation, dB.
    """
    width = min(transition_hz, rate / 8)
    cutoff = min(max(cutoff_hz, width / 2), rate / 2 - width / 2)
    half = reach(attenuation_db, width / rate)
    size = 1 << (4 * half - 1).bit_length()
    block = size - 2 * half
    taps = lowpass(torch.arange(-half, half + 1), cutoff / rate, half, attenuation_db)
    response = -taps / taps.sum()
    response[half] += 1
    spectrum = torch.fft.rfft(response, size)

    def filtered(windows: Tensor, start: int) -> Tensor:
        product = torch.fft.rfft(windows) * spectrum.to(windows.dtype.to_complex())
        out: Tensor = torch.fft.irfft(product, size)[:, 2 * half :]
        return out

    return Plan(filtered, block_in=block, block_out=block, reach=half, rows=4)
