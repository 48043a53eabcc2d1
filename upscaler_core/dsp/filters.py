"""Kaiser-windowed sinc filters: the design of all linear-phase filters here, and the edge of the added band.

The ideal low-pass of cut-off c (cycles a sample) has the impulse response 2c·sinc(2ct), which never ends. A Kaiser window

    w(t) = I0(β·sqrt(1 − (t/r)²)) / I0(β),   |t| <= r

cuts it at ±r. The brick wall becomes a transition of width Δ around c, with ripples of A dB on both sides, where
(Kaiser 1974; Oppenheim & Schafer, Discrete-Time Signal Processing, §7.6)

    β = 0.1102·(A − 8.7)  for A > 50,      2r = (A − 7.95) / (2.285 · 2π · Δ).

>>> kaiser_half_length(100, 0.01)
321
>>> h = kaiser_lowpass(torch.arange(-321, 322), cutoff=0.2, half_length=321, attenuation_db=100)
>>> spectrum = torch.fft.rfft(h, 8192).abs()
>>> f = torch.arange(4097) / 8192
>>> bool((20 * torch.log10(spectrum[f > 0.205])).max() < -100)
True
>>> bool((20 * torch.log10(spectrum[f < 0.195])).abs().max() < 1e-4)
True

The edge of the added band keeps what models add out of the source's band. It is a low-pass of that design, 300 Hz wide and
100 dB deep, or its complement. For a stream it is a `Plan`. For a batch of excerpts, each with its own cut-off, it is a
product of spectra, with a gradient.

Images are what a cheap interpolation leaves above an edge: the band below, mirrored at the Nyquist frequency N of the rate
that the signal once had. A resampler's or converter's filter ends the content at about c = 0.96·N, so the images begin at
2N − c, and the band between is free. `above_edge_plan` takes away what lies above N with a transition that fits into it.

>>> x = torch.randn(2, 1, 4_800, generator=torch.Generator().manual_seed(0))
>>> low = lowpass(x, torch.tensor([6_000.0, 24_000.0]), 48_000)
>>> bool((low[1] == x[1]).all())
True
>>> spectrum = torch.fft.rfft(low[0, 0] * torch.hann_window(4_800)).abs()
>>> bool(spectrum[630:].max() < 1e-3 * spectrum[:570].max())
True
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from upscaler_core.dsp.plan import Plan

TRANSITION_HZ = 300.0
"""Width of the added band's edge, Hz."""
ATTENUATION_DB = 100.0
"""Stop-band attenuation of the added band's edge, dB."""
ROLL_OFF = 0.96
"""The usual share of the Nyquist frequency at which the content of a resampled signal ends."""
NARROWEST_HZ = 30.0
"""Least width of a transition, Hz. A narrower one would make very long filters for very low cut-offs."""
FFT_STEP = 1024
"""FFT sizes of excerpts are multiples of this, so that most of their prime factors are small."""


def kaiser_half_length(attenuation_db: float, transition: float) -> int:
    """Half-length in samples of a Kaiser filter with that stop-band attenuation (dB) and transition (cycles a sample)."""
    return math.ceil((attenuation_db - 7.95) / (2.285 * 2 * math.pi * transition) / 2)


def kaiser_lowpass(times: Tensor, cutoff: float, half_length: float, attenuation_db: float) -> Tensor:
    """Sample the Kaiser-windowed low-pass at any times.

    Args:
        times: where to sample, in samples from the centre. They may have any shape, and need not be integers.
        cutoff: −6 dB point, cycles a sample, 0 … 0.5.
        half_length: half of the window's length, samples. The response is 0 beyond it.
        attenuation_db: ripple in both bands, dB, above 50.

    Returns:
        float64 of the same shape; unit gain at 0 Hz for times one sample apart.
    """
    t = times.to(torch.float64)
    inside = (1 - (t / half_length) ** 2).clamp(min=0)
    beta = torch.tensor(0.1102 * (attenuation_db - 8.7), dtype=torch.float64)
    window = torch.special.i0(beta * inside.sqrt()) / torch.special.i0(beta)
    taps: Tensor = 2 * cutoff * torch.special.sinc(2 * cutoff * t) * window * (t.abs() <= half_length)
    return taps


def edge_width(rate: int) -> float:
    """Width of the added band's edge at a rate in Hz: `TRANSITION_HZ`, or less where the band is narrow."""
    return min(TRANSITION_HZ, rate / 8)


def edge_half_length(rate: int) -> int:
    """Samples on each side that the added band's edge depends on."""
    return kaiser_half_length(ATTENUATION_DB, edge_width(rate) / rate)


def edge_taps(rate: int, cutoff_hz: float, width_hz: float | None = None) -> Tensor:
    """The low-pass of the added band's edge, −6 dB at `cutoff_hz`: `[tap]`, odd, float64, of sum 1.

    Its transition is `width_hz` wide, or `edge_width(rate)`.
    """
    half = kaiser_half_length(ATTENUATION_DB, width_hz / rate) if width_hz else edge_half_length(rate)
    taps = kaiser_lowpass(torch.arange(-half, half + 1), cutoff_hz / rate, half, ATTENUATION_DB)
    return taps / taps.sum()


def above_edge_plan(rate: int, cutoff_hz: float) -> Plan | None:
    """What a stream at `rate` Hz has above the edge of content that ends at `cutoff_hz`; None where it can have nothing.

    It is a high-pass at the Nyquist frequency of the rate that such content has. It leaves the content out, up to the
    cut-off, and keeps the mirror image of it.
    """
    nyquist = cutoff_hz / ROLL_OFF
    width = min(max(2 * (nyquist - cutoff_hz), NARROWEST_HZ), edge_width(rate))
    return highpass_plan(rate, nyquist, width) if nyquist + width / 2 < rate / 2 else None


def highpass_plan(rate: int, cutoff_hz: float, width_hz: float | None = None) -> Plan:
    """The added band's edge for streams: linear phase, delay 0, −6 dB at the cut-off.

    It is a unit impulse minus the low-pass. It runs by overlap-save: an FFT of the window, a product with the filter's
    spectrum, and the part of the inverse FFT that is free of circular wrap-around.

    Args:
        rate: Hz.
        cutoff_hz: Hz; it is moved so that the transition stays inside 0 … Nyquist.
        width_hz: of the transition, Hz. None = `edge_width(rate)`.
    """
    width = width_hz or edge_width(rate)
    response = -edge_taps(rate, min(max(cutoff_hz, width / 2), rate / 2 - width / 2), width)
    half = len(response) // 2
    size = 1 << (4 * half - 1).bit_length()
    block = size - 2 * half
    response[half] += 1
    spectrum = torch.fft.rfft(response, size)

    def filtered(windows: Tensor, start: int) -> Tensor:
        product = torch.fft.rfft(windows) * spectrum.to(windows.dtype.to_complex())
        out: Tensor = torch.fft.irfft(product, size)[:, 2 * half :]
        return out

    return Plan(filtered, block_in=block, block_out=block, receptive_field=half, rows=4)


def lowpass(x: Tensor, cutoff_hz: Tensor, rate: int) -> Tensor:
    """Remove what is above each item's cut-off, with a gradient.

    Args:
        x: `[batch, channel, time]`, float32; zeros are assumed beyond the ends.
        cutoff_hz: `[batch]`, −6 dB points. An item whose cut-off is within half a transition (150 Hz) of the Nyquist
            frequency, or above it, passes unchanged.
        rate: Hz.

    Returns:
        The same shape.
    """
    unchanged = cutoff_hz > (rate - edge_width(rate)) / 2
    taps = torch.stack([edge_taps(rate, c) for c in cutoff_hz.tolist()]).to(x)
    half = taps.shape[-1] // 2
    size = -(-(x.shape[-1] + 2 * half) // FFT_STEP) * FFT_STEP
    spectrum = torch.fft.rfft(x, size) * torch.fft.rfft(taps, size)[:, None]
    filtered = torch.fft.irfft(spectrum, size)[..., half : half + x.shape[-1]]
    return torch.where(unchanged[:, None, None], x, filtered)


def highpass(x: Tensor, cutoff_hz: Tensor, rate: int) -> Tensor:
    """Keep what is above each item's cut-off; see `lowpass`. Near the Nyquist frequency nothing remains."""
    return x - lowpass(x, cutoff_hz, rate)
