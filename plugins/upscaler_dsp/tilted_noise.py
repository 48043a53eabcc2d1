"""`tilted-noise`: the null system. It has learned nothing, and every table shows what it scores.

Log-spectral distance flatters noise, so a model is judged by how far it is beyond this. On an STFT of 1024 samples every
256, let X[k, m] be the baseline's bin k in frame m, f its frequency and c the source's cut-off. A frame's level is

    level[m] = mean of ln |X[k, m]| over 0.65·c <= f <= 0.88·c,

and what is put in falls from it by 12 dB an octave, counted from the middle of that band (its geometric mean, 0.756·c):

    N[k, m] = exp(level[m]) · (0.756·c / f)² · e^(iφ),   φ uniform in 0 … 2π, by the frame's position in the stream.

N replaces X wherever f > 0.88·c and |N| > |X|.

>>> from upscaler_dsp.options import TiltedNoiseOptions
>>> spectrum = torch.fft.rfft(noise(0, "doctest", 0, 48_000))
>>> spectrum[8_000:] = 0
>>> baseline = torch.fft.irfft(spectrum)[None, None]
>>> conditions = Conditions(torch.tensor([8_000.0]), torch.tensor([0]), 48_000)
>>> waveform = TiltedNoise(TiltedNoiseOptions(rate=48_000))(baseline, conditions).waveform
>>> power = torch.fft.rfft(waveform[0, 0]).abs().square()
>>> round(10 * math.log10(power[18_000:20_000].mean() / power[9_000:10_000].mean()))
-12
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from upscaler_core import Conditions, Estimate, StftConfig, istft, noise, stft
from upscaler_dsp.options import TiltedNoiseOptions

GRID = StftConfig(n_fft=1024, hop=256)
BINS = GRID.n_fft // 2 + 1
LOW, EDGE = 0.65, 0.88
"""The band, of the cut-off, that tells a frame's level; noise begins at its upper end."""
CENTRE = math.sqrt(LOW * EDGE)
SILENCE = 1e-9
"""The least magnitude of which a logarithm is taken."""


class TiltedNoise:
    """The model `tilted-noise`, at the rate of its options."""

    length_multiple = GRID.hop
    receptive_field = GRID.n_fft

    def __init__(self, options: TiltedNoiseOptions) -> None:
        self.rate = options.rate

    def __call__(self, baseline: Tensor, conditions: Conditions) -> Estimate:
        """`[batch, 1, time]` at `rate` -> a waveform of the same shape, with noise above 0.88 of each item's cut-off."""
        spectrum = stft(baseline, GRID)
        magnitude = spectrum.abs()
        f = (torch.arange(BINS, device=baseline.device) * self.rate / GRID.n_fft)[:, None]
        cutoff = conditions.cutoff_hz[:, None, None, None]
        heard = (f >= LOW * cutoff) & (f <= EDGE * cutoff)
        logs = magnitude.clamp(min=SILENCE).log() * heard
        level = logs.sum(-2, keepdim=True) / heard.sum(-2, keepdim=True).clamp(min=1)
        tilted = level.exp() * (CENTRE * cutoff / f.clamp(min=1)) ** 2
        phase = torch.stack(
            [_phases(int(start) // GRID.hop, spectrum.shape[-1], conditions.seed) for start in conditions.start]
        )
        put_in = torch.polar(tilted, phase[:, None].to(tilted))
        filled = torch.where((f > EDGE * cutoff) & (tilted > magnitude), put_in, spectrum)
        return Estimate(istft(filled, GRID, baseline.shape[-1]))


def _phases(first: int, frames: int, seed: int) -> Tensor:
    """Phases `[bin, frame]` of the frames from the stream's `first` on: the same however the stream is cut."""
    drawn = noise(seed, "tilted-noise", first * BINS, frames * BINS, uniform=True)
    return 2 * math.pi * drawn.reshape(frames, BINS).T
