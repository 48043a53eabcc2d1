"""Noise shaping: the same dither and rounding, but less audible.

A quantizer that feeds its own errors e back through a filter c makes, of the samples x,

    v[n] = x[n] + Σ c[k] e[n−k]  (k = 1 … 9),      y[n] = round(v[n] + dither),      e[n] = y[n] − v[n]

so that y − x is e filtered by F(z) = 1 + Σ c[k] z⁻ᵏ. With triangular dither of 2 LSB e is white, of power 0.25 LSB²,
whatever the signal: S. P. Lipshitz, R. A. Wannamaker and J. Vanderkooy, "Dithered noise shapers and recursive digital
filters", J. Audio Eng. Soc. 52 (2004). So the spectrum of the noise is |F|², and F can be chosen within one law: the
mean of log |F| over frequency is at best zero, so less noise here means more noise there (M. Gerzon and P. G. Craven,
"Optimal noise shaping and dither of digital signals", AES preprint 2822, 1989).

**The filter.** Let W = 1/threshold be how loud noise is at each frequency: the inverse of the hearing threshold in quiet as
E. Terhardt gives it ("Calculating virtual pitch", Hearing Research 1, 1979). The best filter has the least

    ∫ W |F|²  +  λ W̄ ∫ |F|²      (W̄: the mean of W)

the loudness of the noise plus a price on all of it, audible or not. Without the price it would grow by 30 dB above 16 kHz
and reduce the headroom. Among the filters that begin with 1 this is linear prediction: the autocorrelation of W, with λ
added to its first value, goes into Levinson's recursion, and the resulting polynomial is the optimum. All its zeros lie
inside the unit circle, hence the mean of log |F| is exactly zero, the best that the law allows. A sampling rate that reaches
far beyond hearing needs no further rule: W is almost zero there, so the noise moves there.

>>> import cmath, math
>>> def decibels(power): return round(10 * math.log10(power))
>>> [decibels(1 + sum(tap**2 for tap in noise_filter(rate))) for rate in (44_100, 48_000, 96_000, 192_000)]  # all noise
[14, 13, 8, 5]
>>> def at(frequency, rate):
...     return abs(1 + sum(tap * cmath.exp(-2j * math.pi * frequency / rate * k)
...                        for k, tap in enumerate(noise_filter(rate), 1))) ** 2
>>> [decibels(at(frequency, 44_100)) for frequency in (1_000, 3_500, 12_000, 20_000)]
[-14, -24, 4, 19]

**The recursion** goes on from the first sample to the last. Restarting it in blocks that could be computed side by side
would break the sequence of errors at each border, and the steps leak into the band that was emptied: with blocks of 4,096
samples the noise at 2 … 5 kHz rises by 0.5 dB at 44.1 kHz and by 2.8 dB at 96 kHz. So it is written out for nine taps in
plain Python floats, which are faster than arrays of one sample: about 0.3 µs a sample.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ORDER = 9
PRICE = 5e-4
"""λ: the price of inaudible noise, relative to the mean of W over the band."""

_ROUND = 1.5 * 2.0**52
"""Adding it to a float and subtracting it again rounds that float to an integer, halves to even."""


def noise_filter(rate: int) -> tuple[float, ...]:
    """The taps c[1] … c[9] for a sampling rate in Hz; rounded, so that every machine computes the same ones."""
    kilohertz = np.maximum(np.arange(8193) / 8192 * rate / 2000, 0.02)
    correlation = np.fft.irfft(10 ** (-threshold(kilohertz) / 10))[: ORDER + 1]
    correlation[0] *= 1 + PRICE
    taps, error = np.ones(1), correlation[0]
    for k in range(1, ORDER + 1):  # Levinson
        reflection = -taps @ correlation[k:0:-1] / error
        taps = np.append(taps, 0)
        taps = taps + reflection * taps[::-1]
        error *= 1 - reflection**2
    return tuple(round(float(tap), 6) for tap in taps[1:])


def threshold(kilohertz: np.ndarray) -> np.ndarray:
    """Terhardt's threshold of hearing in quiet, dB SPL."""
    return 3.64 * kilohertz**-0.8 - 6.5 * np.exp(-0.6 * (kilohertz - 3.3) ** 2) + 1e-3 * kilohertz**4


class Shaper:
    """Rounds one channel, and stores what its errors add to the following samples.

    This state is that of a transposed filter: s1 is added to the next sample, s2 to the one after it, and so on.
    """

    def __init__(self, taps: Sequence[float]) -> None:
        self._taps = tuple(taps)
        self.reset()

    def reset(self) -> None:
        """Forget all errors so far."""
        self._state = (0.0,) * ORDER

    def __call__(self, samples: list[float], dither: list[float]) -> list[float]:
        """Integers, as floats, for samples and dither in LSB."""
        c1, c2, c3, c4, c5, c6, c7, c8, c9 = self._taps
        s1, s2, s3, s4, s5, s6, s7, s8, s9 = self._state
        rounded = []
        for v, noise in zip(samples, dither, strict=True):
            v += s1
            y = v + noise + _ROUND - _ROUND
            rounded.append(y)
            e = y - v
            s1 = s2 + c1 * e
            s2 = s3 + c2 * e
            s3 = s4 + c3 * e
            s4 = s5 + c4 * e
            s5 = s6 + c5 * e
            s6 = s7 + c6 * e
            s7 = s8 + c7 * e
            s8 = s9 + c8 * e
            s9 = c9 * e
        self._state = (s1, s2, s3, s4, s5, s6, s7, s8, s9)
        return rounded
