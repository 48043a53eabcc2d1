"""How loud a recording is, measured in one pass over a stream. Memory grows by one number each tenth of a second.

**Loudness** (ITU-R BS.1770-5; EBU R 128): The signal is K-weighted, here with the truncated impulse response of the two
standard biquads, which has fallen by 100 dB after 50 ms. Mean squares z are taken over 400 ms, a new one each 100 ms. Those
below −70 LUFS are excluded, and then those more than 10 LU below the mean of the others. The loudness is that of the mean of
what remains:  L = −0.691 + 10·log10(Σ weight·z), a sum over channels.

**True peak** (Annex 2): the largest magnitude of the signal, interpolated at 4 points a sample by a Kaiser-windowed sinc.

>>> t = torch.arange(48_000 * 3) / 48_000
>>> levels = measure_levels([0.1 * torch.sin(2 * math.pi * 997 * t).expand(2, -1)], 48_000)  # −20 dBFS in both channels
>>> round(levels.loudness, 1), round(levels.true_peak_db, 1)
(-20.0, -20.0)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from upscaler_core.dsp import filters
from upscaler_core.dsp.loudspeakers import default_layout, loudness_weights
from upscaler_core.dsp.streaming import Stream, windows

HALF_LENGTH = 32
"""Samples on each side that an interpolated value depends on."""
OVERSAMPLING = 4
"""Points at which the signal is read in each sample period, as in Annex 2."""
ATTENUATION_DB = 80.0
"""Stop-band attenuation of the interpolation filter, dB."""
SEGMENTS = 10
"""Segments, tenths of a second, in each window."""
RUN = 3
"""Successive samples at full scale that count as clipping."""
MAX_BITS = 24
"""Samples that need more bits are not taken for integers."""


@dataclass(frozen=True)
class Levels:
    """Measurements of a complete stream."""

    frames: int
    """Samples in each channel."""
    peak_db: float
    """Largest sample, dBFS; −inf for silence."""
    true_peak_db: float
    """Largest value, also between the samples, dBTP."""
    loudness: float | None
    """Integrated loudness, LUFS; None for less than 0.4 s, or where everything is below −70 LUFS."""
    full_scale: int
    """Samples at full scale or beyond, in all channels."""
    clipped_runs: int
    """Runs of three and more such samples."""
    dc: float
    """Mean of the worst channel, full scale ±1."""
    bits: int | None
    """Bits in use, where every sample is an integer of at most 24 bits; None otherwise."""


def measure_levels(stream: Stream, rate: int, full_scale: float = 1.0, layout: Sequence[str] = ()) -> Levels:
    """Measure a complete stream of blocks `[channel, time]`.

    Args:
        stream: blocks; the result does not depend on their lengths.
        rate: Hz.
        full_scale: the least magnitude that counts as clipped; 1 − 2^(1 − bits) for samples that were integers.
        layout: the channels' loudspeakers (see `loudspeakers.py`); empty = what their number usually means.
    """
    segment = max(1, round(rate / 10))
    context = max(HALF_LENGTH + 1, segment // 2)
    weighting, interpolation = k_weighting(rate, context), interpolation_filters()
    frames = clipped = runs = bits = 0
    peak = true_peak = 0.0
    total: Tensor | float = 0.0
    weights: Tensor | None = None
    energies: list[float] = []  # as floats: small tensors would keep the large ones they are views of in memory
    for _, window, fresh in windows(stream, SEGMENTS * segment, context, context):
        body = window[:, context : context + fresh]
        frames += fresh
        if weights is None:
            weights = channel_weights(len(window), layout)
        peak = max(peak, float(body.abs().max()))
        total = total + body.double().sum(1)
        inner = window[:, context - HALF_LENGTH : context + fresh + HALF_LENGTH]
        true_peak = max(true_peak, peak_between(inner, interpolation))
        full = window[:, context - 1 : context + fresh + RUN - 1].abs() >= full_scale
        clipped += int(full[:, 1 : fresh + 1].sum())
        runs += int((full.unfold(1, RUN, 1).all(2)[:, 1:] & ~full[:, :fresh]).sum())
        while bits <= MAX_BITS and bool(((body * 2.0 ** (bits - 1)) % 1).any()):
            bits += 1
        energies += energy(window[:, : context + fresh], weighting, context, segment, weights).tolist()
    if not frames:
        return Levels(0, -math.inf, -math.inf, None, 0, 0, 0.0, None)
    return Levels(
        frames,
        decibels(peak),
        decibels(max(peak, true_peak)),
        integrated(torch.tensor(energies, dtype=torch.float64)),
        clipped,
        runs,
        float((torch.as_tensor(total) / frames).abs().max()),
        bits if bits <= MAX_BITS else None,
    )


def decibels(amplitude: float) -> float:
    """20·log10, −inf for 0."""
    return 20 * math.log10(amplitude) if amplitude else -math.inf


def interpolation_filters() -> Tensor:
    """The filters that interpolate between two samples: `[OVERSAMPLING − 1, 1, 2·HALF_LENGTH]`."""
    times = torch.arange(-HALF_LENGTH + 1, HALF_LENGTH + 1) - torch.arange(1, OVERSAMPLING)[:, None] / OVERSAMPLING
    return filters.kaiser_lowpass(times, 0.5, HALF_LENGTH, ATTENUATION_DB).float()[:, None]


def peak_between(x: Tensor, taps: Tensor) -> float:
    """The largest magnitude between the samples of `[channel, HALF_LENGTH + n + HALF_LENGTH]`."""
    return float(torch.nn.functional.conv1d(x[:, None], taps).abs().max())


def k_weighting(rate: int, size: int) -> Tensor:
    """K-weighting's impulse response, cut after `size` samples: `[size + 1]`, float64.

    The filters of BS.1770 are a high shelf of 4 dB and a high-pass, specified at 48 kHz. At other rates they are the same
    analogue filters, by the bilinear transform (De Man, "Evaluation of implementations of the EBU R128 loudness
    measurement", 2018).
    """
    shelf, highpass = (
        _biquad(rate, 1681.974450955533, 0.7071752369554196, 3.999843853973347),
        _biquad(rate, 38.13547087602444, 0.5003270373238773, None),
    )
    length = 8 * size
    response = torch.ones(length // 2 + 1, dtype=torch.complex128)
    for b, a in (shelf, highpass):
        response = response * torch.fft.rfft(b, length) / torch.fft.rfft(a, length)
    taps: Tensor = torch.fft.irfft(response, length)[: size + 1]
    return taps


def _biquad(rate: int, f: float, q: float, gain_db: float | None = None) -> tuple[Tensor, Tensor]:
    """Numerator and denominator of a high shelf, or of a high-pass if `gain_db` is None."""
    k = math.tan(math.pi * min(f / rate, 0.49))
    a0 = 1 + k / q + k * k
    a = [1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0]
    b = [1.0, -2.0, 1.0]
    if gain_db is not None:
        high = 10 ** (gain_db / 20)
        band = high**0.4996667741545416
        b = [(high + band * k / q + k * k) / a0, 2 * (k * k - high) / a0, (high - band * k / q + k * k) / a0]
    return torch.tensor(b, dtype=torch.float64), torch.tensor(a, dtype=torch.float64)


def energy(x: Tensor, taps: Tensor, context: int, segment: int, weights: Tensor) -> Tensor:
    """Mean squares of `[channel, context + n]` after K-weighting, in full segments, weighted and summed: `[segment]`."""
    count = (x.shape[1] - context) // segment
    size = x.shape[1] + len(taps) - 1
    weighted = torch.fft.irfft(torch.fft.rfft(x.double(), size) * torch.fft.rfft(taps, size), size)
    squares = weighted[:, context : context + count * segment].square().reshape(len(x), count, segment).mean(2)
    summed: Tensor = (weights[:, None] * squares).sum(0)
    return summed


def channel_weights(channels: int, layout: Sequence[str] = ()) -> Tensor:
    """How loud each channel counts: by its loudspeaker, or else by what that many channels usually mean; `[channel]`."""
    known = layout if len(layout) == channels else default_layout(channels)
    return torch.tensor(loudness_weights(known) or [1.0] * channels, dtype=torch.float64)


def integrated(energies: Tensor) -> float | None:
    """Gated loudness, LUFS, from the mean squares of tenths of a second `[segment]`; None if nothing passes the gate."""
    if len(energies) < 4:
        return None
    blocks = energies.unfold(0, 4, 1).mean(1)
    blocks = blocks[_lufs(blocks) > -70]
    if not len(blocks):
        return None
    return float(_lufs(blocks[_lufs(blocks) > _lufs(blocks.mean()) - 10].mean()))


def _lufs(energy: Tensor) -> Tensor:
    return -0.691 + 10 * torch.log10(energy)
