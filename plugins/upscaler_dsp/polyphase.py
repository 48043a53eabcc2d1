"""`poly-sinc-hq`: a long Kaiser-windowed sinc from M samples to L (`down`, `up`), by overlap-save with two FFT sizes.

Filtering and resampling are one step in the frequency domain. Let N = M·q. The spectrum X[k] of N input samples, times
the filter's H[k], is the spectrum of a signal that is periodic over N/rate_in seconds and has nothing above the lower of
the two Nyquist frequencies. Its inverse transform of another size, N' = L·q, samples that same signal at rate_out:

    y[m] = Σ_k H[k]·X[k]·exp(2πi·k·m / N'),    m = 0 … N' − 1        (H carries the factor 1/N)

with spectra truncated or zero-padded in between. So no image or alias arises that a filter would have to remove. The ends
of each tile, which the circular convolution wraps around, are discarded (overlap-save: Stockham 1966; Oppenheim & Schafer,
Discrete-Time Signal Processing, §8.7). Tiles advance by M·p -> L·p samples, p < q, so that all tiles have the same phases.
The filter is placed half its length early. This puts the first valid output at m = 0, where no offset has to be an integer
number of output samples. There is no table of phases, so any ratio is possible.

The filter is a Kaiser low-pass (Kaiser 1974) whose stop-band begins at the lower Nyquist frequency.

>>> import torch
>>> from upscaler_core.dsp import Resample
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
"""Samples in each call, approximately: enough that the overhead of a call is small, few enough for the cache and for short
clips."""

WARM_UP_BYTES = 24 << 20
"""Bytes that are allocated and freed once. From then on glibc keeps free blocks of up to this size. Otherwise it would
return the buffers of each call to the kernel, which zeroes them for the next one. That can take longer than the FFTs."""

LARGEST_TERM = 2_000
"""Ratios that have a larger term than this in lowest terms are computed in float64. Their FFT lengths mostly have a large
prime factor (44,101 -> 96,000), which costs some dB of float32's precision."""


@dataclass(frozen=True)
class Design:
    """The specification of a filter."""

    attenuation_db: float
    """Stop-band attenuation, dB."""
    edge: float
    """Upper edge of the pass-band, as a part of the lower Nyquist frequency."""
    double: bool = False
    """Compute in float64."""

    def taps(self, rate_in: int, rate_out: int) -> Tensor:
        """Return the impulse response at the input rate: float64 `[2 * half_length + 1]`, sum 1."""
        nyquist = min(rate_in, rate_out) / rate_in / 2
        half_length = kaiser_half_length(self.attenuation_db, nyquist * (1 - self.edge))
        cutoff = nyquist * (1 + self.edge) / 2
        taps = kaiser_lowpass(torch.arange(-half_length, half_length + 1), cutoff, half_length, self.attenuation_db)
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
        """Design the filter for a pair of rates in Hz, and plan its tiles."""
        common = math.gcd(rate_in, rate_out)
        down, up = rate_in // common, rate_out // common
        torch.empty(WARM_UP_BYTES, dtype=torch.uint8)  # and free it
        plan = overlap_save(self.design.taps(rate_in, rate_out), down, up)
        return in_double(plan) if self.design.double or max(down, up) > LARGEST_TERM else plan


def in_double(plan: Plan) -> Plan:
    """Run a plan in float64, whatever the dtype of the windows. The result has that dtype."""

    def function(windows: Tensor, start: int) -> Tensor:
        return plan.function(windows.double(), start).to(windows.dtype)

    return dataclasses.replace(plan, function=function)


def overlap_save(taps: Tensor, down: int, up: int) -> Plan:
    """Plan the filter `taps` (odd length, at the input rate) from `down` samples to `up`, in lowest terms."""
    half = len(taps) // 2
    tile, step = tiling(down, up, 2 * half)
    size_in, size_out = down * tile, up * tile
    block_in, block_out = down * step, up * step
    receptive_field = (size_in - block_in) // 2
    bins = (tile * min(down, up) + 1) // 2  # below the lower Nyquist
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
    """A buffer for the output spectra of one call. Each thread keeps its own: the upper bins stay zero from call to call."""

    def __init__(self, rows: int, bins: int, dtype: torch.dtype) -> None:
        self.spectra = torch.zeros(rows, bins, dtype=dtype)


def tiling(down: int, up: int, overlap: int) -> tuple[int, int]:
    """Choose `(q, p)`: FFTs of down·q and up·q points, tiles of down·p -> up·p samples, q a power of two.

    The choice has the least cost per sample, where an FFT of n points costs n·(log2 n + 3 + n / 6000). This cost is
    measured; its last term is the cost of exceeding the cache.

    >>> tiling(147, 320, 354)
    (32, 29)
    >>> tiling(1, 2, 354)
    (4096, 3742)
    """
    discarded = -(-overlap // down)

    def cost(q: int) -> float:
        return sum(n * (math.log2(n) + 3 + n / 6000) for n in (down * q, up * q)) / (q - discarded)

    q = min((1 << power for power in range(discarded.bit_length(), discarded.bit_length() + 16)), key=cost)
    return q, q - discarded
