"""`tilted-noise`: the null system. It has learned nothing, and every table shows its scores.

Log-spectral distance flatters noise, so a model is judged by how much better it is than this. On an STFT of 1024 samples
every 256, let X[k, m] be the baseline's bin k in frame m, f its frequency and c the source's cut-off. The noise has the
magnitude of the tilted guess (see `upscaler_core.dsp.tilted_magnitude`), whose reference frequency is the middle of the
reference band (its geometric mean, 0.756·c), and random phases:

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
from upscaler_core.dsp import REFERENCE_BAND, band_level, tilted_magnitude
from upscaler_dsp.options import TiltedNoiseOptions

STFT = StftConfig(n_fft=1024, hop=256)
BINS = STFT.n_fft // 2 + 1
LOW, HIGH = REFERENCE_BAND
CENTRE = math.sqrt(LOW * HIGH)
SILENCE = 1e-9
"""The least magnitude of which a logarithm is taken."""


class TiltedNoise:
    """The model `tilted-noise`, at the rate of its options."""

    length_multiple = STFT.hop
    receptive_field = STFT.n_fft

    def __init__(self, options: TiltedNoiseOptions) -> None:
        self.rate = options.rate

    def __call__(self, baseline: Tensor, conditions: Conditions) -> Estimate:
        """`[batch, 1, time]` at `rate` -> a waveform of the same shape, with noise above 0.88 of each item's cut-off."""
        spectrum = stft(baseline, STFT)
        magnitude = spectrum.abs()
        f = (torch.arange(BINS, device=baseline.device) * self.rate / STFT.n_fft)[:, None]
        cutoff = conditions.cutoff_hz[:, None, None, None]
        level = band_level(magnitude.clamp(min=SILENCE).log(), (f >= LOW * cutoff) & (f <= HIGH * cutoff))
        tilted = tilted_magnitude(level, CENTRE * cutoff / f.clamp(min=1))
        phases = torch.stack(
            [_phases(int(start) // STFT.hop, spectrum.shape[-1], conditions.seed) for start in conditions.start]
        )
        tilted_noise = torch.polar(tilted, phases[:, None].to(tilted))
        filled = torch.where((f > HIGH * cutoff) & (tilted > magnitude), tilted_noise, spectrum)
        return Estimate(istft(filled, STFT, baseline.shape[-1]))


def _phases(first: int, frames: int, seed: int) -> Tensor:
    """Phases `[bin, frame]`, radians, from the stream's frame `first` on: the same however the stream is cut."""
    turns = noise(seed, "tilted-noise", first * BINS, frames * BINS, uniform=True)
    return 2 * math.pi * turns.reshape(frames, BINS).T
