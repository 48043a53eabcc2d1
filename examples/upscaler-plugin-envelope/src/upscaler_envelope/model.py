"""`band-envelope`: noise above the cut-off, under an envelope that a very small network predicts frame by frame.

    baseline ─ STFT ─┬─ bands below the cut-off ─ MLP ─ envelope above it ─ on noise ─┐
                     └─ bins below the cut-off ───────────────────────────────────────┴─ inverse STFT ─►

Frequencies are in octaves above the cut-off c, so that what the network learns at one cut-off is valid at others. Its
inputs are the levels of bands from c/32 to 0.88 c in three frames, relative to the mean level from 0.65 c to 0.88 c.
The guess is that this level goes on above c, falling by 12 dB an octave. The network predicts the difference between
the envelope and this guess, at points a third of an octave apart. An untrained network predicts 0: then the model is
tilted noise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from upscaler_core import Conditions, Estimate, load_checkpoint, noise
from upscaler_core.dsp import REFERENCE_BAND, tilted_log_magnitude
from upscaler_core.models import choose_dtype, computing, fixed_initialization

from upscaler_envelope.plugin import BandEnvelopeOptions
from upscaler_envelope.sine_stft import BINS, HOP, SIZE, analysis, synthesis

LOW, HIGH = REFERENCE_BAND
FRAMES = 3
"""Frames in each input of the network: the one that it predicts, and its neighbours."""
LOWEST = 5
"""Octaves below the cut-off at which the lowest of the network's bands lies."""
POINTS, POINTS_AN_OCTAVE = 12, 3
"""Points of the envelope above the cut-off, and how many of them are in an octave."""
SILENCE = 1e-4
"""The least magnitude of which a logarithm is taken."""
TO_BELS = 2 / math.log(10)
"""From natural log-magnitude to log10 of power."""


class BandEnvelope(nn.Module):
    """The model `band-envelope`."""

    length_multiple = HOP
    # From a sample to a frame's centre, to the centre of its neighbour, and to the end of that.
    receptive_field = SIZE // 2 + FRAMES // 2 * HOP + SIZE // 2

    def __init__(self, options: BandEnvelopeOptions) -> None:
        super().__init__()
        self.options, checkpoint = load_checkpoint(options, "band-envelope", __package__)
        self.rate, hidden = self.options.rate, self.options.hidden
        with fixed_initialization():
            points = nn.Linear(hidden, POINTS)
            self.net = nn.Sequential(
                nn.Linear(FRAMES * self.options.bands + 2, hidden), nn.GELU(),
                nn.Linear(hidden, hidden), nn.GELU(),
                points,
            )  # fmt: skip
        nn.init.zeros_(points.weight)
        nn.init.zeros_(points.bias)
        if checkpoint:
            checkpoint.into(self)
        self.eval()
        self.dtype = choose_dtype(self, self.options.precision)

    def forward(self, baseline: Tensor, conditions: Conditions) -> Estimate:
        """`[batch, 1, time]` -> a waveform of the same shape."""
        spectrum = analysis(baseline[:, 0].float())
        octaves = self._octaves(conditions)
        shaped_noise = torch.polar(self._envelope(spectrum, octaves, conditions).exp(), _phases(conditions, spectrum))
        filled = torch.where(octaves[:, None] >= 0, shaped_noise, spectrum)
        return Estimate(synthesis(filled, baseline.shape[-1])[:, None])

    def objective(self, estimate: Estimate, target: Tensor, conditions: Conditions) -> Mapping[str, Tensor]:
        """Log-spectral distance above the cut-off, as far up as the recording reaches: root mean square over bins."""
        assert estimate.waveform is not None
        output, truth = (_log_magnitude(analysis(x[:, 0])) for x in (estimate.waveform, target))
        octaves = self._octaves(conditions)
        end = (
            math.inf
            if conditions.bandwidth_hz is None
            else (conditions.bandwidth_hz / conditions.cutoff_hz).log2()[:, None]
        )
        scored = ((octaves >= 0) & (octaves < end)).float()[:, None]
        squares = (TO_BELS * (output - truth)).square() * scored
        return {"distance": (squares.sum(-1) / scored.sum(-1).clamp(min=1) + 1e-6).sqrt().mean()}

    def _octaves(self, conditions: Conditions) -> Tensor:
        """How far each bin is above the cut-off, octaves: `[batch, bin]`."""
        f = torch.arange(BINS, device=conditions.cutoff_hz.device).clamp(min=0.5) * self.rate / SIZE
        return (f / conditions.cutoff_hz[:, None]).log2()

    def _envelope(self, spectrum: Tensor, octaves: Tensor, conditions: Conditions) -> Tensor:
        """Log-magnitudes of the noise `[batch, frame, bin]`. Below the cut-off they have no meaning."""
        logs = _log_magnitude(spectrum)
        level = logs @ _reference_weights(octaves)
        bands = logs @ _band_weights(octaves, self.options.bands) - level
        around = nn.functional.pad(bands, (0, 0, FRAMES // 2, FRAMES // 2)).unfold(1, FRAMES, 1).flatten(-2)
        cutoff = (conditions.cutoff_hz / 8_000).log2()[:, None, None].expand_as(level)
        with computing(self):
            offset: Tensor = self.net(torch.cat([around, level / 3, cutoff], -1)).float()
        return tilted_log_magnitude(level, octaves.clamp(min=0)[:, None]) + offset @ _interpolation_weights(octaves)


def _log_magnitude(spectrum: Tensor) -> Tensor:
    return spectrum.abs().clamp(min=SILENCE).log()


def _reference_weights(octaves: Tensor) -> Tensor:
    """Weights `[batch, bin, 1]` of the mean over the reference band."""
    band = ((octaves > math.log2(LOW)) & (octaves < math.log2(HIGH))).float()
    return (band / band.sum(-1, keepdim=True).clamp(min=1))[..., None]


def _band_weights(octaves: Tensor, bands: int) -> Tensor:
    """Weights `[batch, bin, band]` of the means over overlapping bands from far below the cut-off up to it."""
    centres = torch.linspace(-LOWEST, math.log2(HIGH), bands, device=octaves.device)
    weights = (-((octaves[..., None] - centres) / (centres[1] - centres[0])).square()).exp()
    weights = weights * (octaves < math.log2(HIGH))[..., None]
    return weights / weights.sum(1, keepdim=True).clamp(min=1e-9)


def _interpolation_weights(octaves: Tensor) -> Tensor:
    """Weights `[batch, point, bin]` of linear interpolation between the points; it is constant beyond the last one."""
    place = (octaves * POINTS_AN_OCTAVE).clamp(0, POINTS - 1)[:, None]
    points = torch.arange(POINTS, device=octaves.device)[:, None]
    return (1 - (place - points).abs()).clamp(min=0)


def _phases(conditions: Conditions, spectrum: Tensor) -> Tensor:
    """Phases `[batch, frame, bin]`, radians, by the frames' place in the stream: the same however the stream is cut."""
    _, frames, bins = spectrum.shape
    turns = [
        noise(conditions.seed, "band-envelope", int(start) // HOP * bins, frames * bins, uniform=True)
        for start in conditions.start
    ]
    return 2 * math.pi * torch.stack(turns).view(-1, frames, bins).to(spectrum.device)
