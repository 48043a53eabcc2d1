"""`poly-sinc-hq`: a long Kaiser-windowed sinc from M samples to L, by overlap-save with two FFT sizes.

Filtering and resampling are one step in the frequency domain. Let N = M·q. The spectrum X[k] of N input samples, times
the filter's H[k], is the spectrum of a signal that is periodic over N/rate_in seconds and holds nothing above the lower
of the two Nyquist frequencies. Its inverse transform of another size, N' = L·q, samples that same signal at rate_out:

    y[m] = Σ_k H[k]·X[k]·exp(2πi·k·m / N'),    m = 0 … N' − 1        (H carries the factor 1/N)

with spectra truncated or zero-padded in between; no image or alias is ever made that a filter would have to remove.
Of each tile, the ends that the circular convolution wraps around are thrown away (overlap-save: Stockham 1966;
Oppenheim & Schafer, Discrete-Time Signal Processing, §8.7), and tiles advance by M·p -> L·p samples, p < q, so that
every tile meets the same phases. Placing the filter half its length early puts the first good output at m = 0, where
no offset has to be a whole number of output samples. No table of phases is kept, so that the method takes any ratio.

The filter is a Kaiser low-pass (Kaiser 1974) whose stop-band begins at the lower Nyquist frequency.

>>> import torch
>>> from upscaler_core import Resample
>>> resample = Resample(PolySincHQ(PolySincOptions()))
>>> tone = torch.sin(2 * torch.pi * 997 / 44100 * torch.arange(44100, dtype=torch.float64))
>>> same = torch.sin(2 * torch.pi * 997 / 96000 * torch.arange(96000, dtype=torch.float64))
>>> out = resample(tone, 44100, 96000)
>>> out.shape, bool((out - same)[1000:-1000].abs().max() < 3e-7)
(torch.Size([96000]), True)
"""

from __future__ import annotations

import dataclasses
import math
import threading
from dataclasses import dataclass

import torch
from torch import Tensor

from upscaler_core import Plan
from upscaler_core.dsp import kaiser_half_length, kaiser_lowpass
from upscaler_dsp.options import PolySincOptions

CALL = 3 << 16
"""Samples a call, about: enough to spread what a call costs by itself, few enough for the cache and short clips."""

WARM = 24 << 20
"""Bytes taken and freed once: from then on glibc keeps free blocks of up to this size, where it would give a call's
buffers back to the kernel each time and have them zeroed again, which can take longer than the FFTs."""

LARGEST_TERM = 2_000
"""Ratios with a larger term than this, in lowest terms, are computed in float64: their FFTs' lengths mostly have a large
prime factor (44,101 -> 96,000), which costs some dB of float32's precision."""


@dataclass(frozen=True)
class Design:
    """A filter: attenuation in dB, the pass-band's edge as a part of the lower Nyquist, and the working precision."""

    attenuation_db: float
    edge: float
    double: bool = False

    def taps(self, rate_in: int, rate_out: int) -> Tensor:
        """Return the impulse response at the input rate: float64 `[2 * receptive_field + 1]`, sum 1."""
        nyquist = min(rate_in, rate_out) / rate_in / 2
        receptive_field = kaiser_half_length(self.attenuation_db, nyquist * (1 - self.edge))
        cutoff = nyquist * (1 + self.edge) / 2
        taps = kaiser_lowpass(
            torch.arange(-receptive_field, receptive_field + 1), cutoff, receptive_field, self.attenuation_db
        )
        return taps / taps.sum()


DESIGNS = {
    "fast": Design(102, 0.88),
    "balanced": Design(122, 0.92),
    "quality": Design(135, 0.95),
    "exact": Design(180, 0.95, double=True),
}


class PolySincHQ:
    """The resampler `poly-sinc-hq`: linear phase, delay 0, any pair of rates."""

    def __init__(self, options: PolySincOptions) -> None:
        self.design = DESIGNS[options.dsp_quality]

    def plan(self, rate_in: int, rate_out: int) -> Plan:
        """Design the filter for a pair of rates in Hz, and lay out its tiles."""
        common = math.gcd(rate_in, rate_out)
        advance, yields = rate_in // common, rate_out // common
        torch.empty(WARM, dtype=torch.uint8)  # and freed
        plan = overlap_save(self.design.taps(rate_in, rate_out), advance, yields)
        return in_double(plan) if self.design.double or max(advance, yields) > LARGEST_TERM else plan


def in_double(plan: Plan) -> Plan:
    """Run a plan in float64, whatever the windows' dtype; the result has theirs."""

    def function(windows: Tensor, start: int) -> Tensor:
        return plan.function(windows.double(), start).to(windows.dtype)

    return dataclasses.replace(plan, function=function)


def overlap_save(taps: Tensor, advance: int, yields: int) -> Plan:
    """Plan the filter `taps` (odd length, at the input rate) from `advance` samples to `yields`, in lowest terms."""
    half = len(taps) // 2
    tile, step = tiling(advance, yields, 2 * half)
    size_in, size_out = advance * tile, yields * tile
    block_in, block_out = advance * step, yields * step
    receptive_field = (size_in - block_in) // 2
    bins = (tile * min(advance, yields) + 1) // 2  # below the lower Nyquist
    early = torch.zeros(size_in, dtype=torch.float64)
    early[torch.arange(-half - receptive_field, half - receptive_field + 1)] = taps
    response = torch.fft.rfft(early)[:bins] / size_in
    responses = {torch.float32: response.to(torch.complex64), torch.float64: response}
    rows = max(1, CALL // max(block_in, block_out))
    padded = {dtype: Padded(rows, size_out // 2 + 1, responses[dtype].dtype) for dtype in responses}

    def function(windows: Tensor, start: int) -> Tensor:
        spectra = padded[windows.dtype].spectra
        torch.mul(torch.fft.rfft(windows, size_in)[:, :bins], responses[windows.dtype], out=spectra[:, :bins])
        out: Tensor = torch.fft.irfft(spectra, size_out, norm="forward")
        return out[:, :block_out]

    return Plan(function, block_in, block_out, receptive_field, rows)


class Padded(threading.local):
    """Room for one call's output spectra, kept by each thread because its upper bins stay zero from call to call."""

    def __init__(self, rows: int, bins: int, dtype: torch.dtype) -> None:
        self.spectra = torch.zeros(rows, bins, dtype=dtype)


def tiling(advance: int, yields: int, overlap: int) -> tuple[int, int]:
    """Choose `(q, p)`: FFTs of advance·q and yields·q points, tiles of advance·p -> yields·p samples, q a power of two.

    The cheapest a sample, when an FFT of n points costs n·(log2 n + 3 + n / 6000): measured, the last term being what
    leaving the cache costs.

    >>> tiling(147, 320, 354)
    (32, 29)
    >>> tiling(1, 2, 354)
    (4096, 3742)
    """
    lost = -(-overlap // advance)

    def cost(q: int) -> float:
        return sum(n * (math.log2(n) + 3 + n / 6000) for n in (advance * q, yields * q)) / (q - lost)

    q = min((1 << power for power in range(lost.bit_length(), lost.bit_length() + 16)), key=cost)
    return q, q - lost
