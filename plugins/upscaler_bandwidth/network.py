"""The network of `edge-net`: cells of levels in, votes for cut-offs out.

A cut-off acts on every moment of a recording alike. So each cell votes for itself, from what it and its neighbours within
two seconds show: a **vote** is a logarithm of likelihood for each band, and one for "no edge". Votes are added over time.
A cell whose content ends by itself at some band says nothing about the bands above, and speaks against those below. A cell
with a cliff speaks for its band. Silence says nothing.

Neighbouring cells are not independent, and so n votes count less than n independent ones. The sum is divided by nᵃ; a was
learned. The posterior is its softmax:

    P(b) = softmax(n⁻ᵃ · Σ votes[t, b]),  b = bands and "no edge".

The body is a stack of convolutions over time and bands, with residuals and without any normalization, so that a cell
depends on nothing beyond the receptive field. Bands are logarithmic, so a filter looks the same at every cut-off. Two
neighbouring bands share a place of the network; this halves its cost.

Beside its votes each cell has attributes: why the content ends, what stands above, the codec, the bit rate and the order
of the filter. They are averaged over time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from upscaler_bandwidth.features import CHANNELS, FLOOR_DB, PER_OCTAVE
from upscaler_core.dsp import Above, Cause

DILATIONS = ((1, 1), (1, 2), (2, 1), (4, 2), (1, 4), (1, 1))
"""Of the convolutions, in time and in places."""
KERNEL = (3, 5)
RECEPTIVE_FIELD = sum(time for time, _ in DILATIONS) * (KERNEL[0] // 2)
"""Cells on each side that a cell's votes depend on."""
CAUSES: tuple[Cause, ...] = ("full band", "dark", "resampled", "lossy", "low-pass")
ABOVE: tuple[Above, ...] = ("nothing", "noise", "images")
CODECS = ("", "MP3", "AAC", "Vorbis", "Opus", "telephone")
ATTRIBUTES = len(CAUSES) + len(ABOVE) + len(CODECS) + 2
"""Logits of the three, then log2 of the bit rate in kbit/s and log2 of the filter's order."""
SHARED = 2
"""Bands that share a place."""
INPUTS = (CHANNELS + 2) * SHARED + 2
TOP = 24
"""Empty bands above the Nyquist frequency, so that the network sees the band's end from both sides."""


@dataclass(frozen=True)
class Votes:
    """What the network says of each cell."""

    edge: Tensor
    """`[batch, cell, band + 1]`; the last one is "no edge"."""
    attributes: Tensor
    """`[batch, cell, attribute]`."""
    active: Tensor
    """`[batch, cell]`: 1 where there is sound, 0 in silence."""


class EdgeNetwork(nn.Module):
    """See the module's docstring."""

    def __init__(self, channels: int = 24) -> None:
        super().__init__()
        self.stem = nn.Conv2d(INPUTS, channels, 1)
        self.body = nn.ModuleList(
            nn.Conv2d(channels, channels, KERNEL, padding=(d[0], d[1] * (KERNEL[1] // 2)), dilation=d)
            for d in DILATIONS
        )
        self.edge = nn.Conv2d(channels, SHARED, 1)
        self.none = nn.Linear(2 * channels, 1)
        self.describe = nn.Sequential(nn.Linear(3 * channels, 48), nn.ReLU(), nn.Linear(48, ATTRIBUTES))
        self.exponent = nn.Parameter(torch.tensor(0.5))

    def forward(self, cells: Tensor) -> Votes:
        """Vote.

        Args:
            cells: `[batch, cell, feature, band]`, dB; NaN beyond the recording's ends and above its Nyquist frequency.
        """
        x, valid, active = self._inputs(cells)
        x = torch.relu(self.stem(x.contiguous(memory_format=torch.channels_last)))
        for layer in self.body:
            x = torch.relu(x + layer(x))
        edge = self.edge(x).permute(0, 2, 3, 1).flatten(2)[..., : cells.shape[-1]]  # [batch, cell, band]
        edge = edge.masked_fill(~valid, -1e4)
        places = valid[..., ::SHARED]  # [batch, cell, place]
        x = x[..., : places.shape[-1]]
        weight = places.float() / places.float().sum(-1, keepdim=True).clamp(min=1)
        mean = (x * weight[:, None]).sum(-1).transpose(1, 2)  # [batch, cell, channel]
        most = (x * places[:, None]).amax(-1).transpose(1, 2)
        none = self.none(torch.cat([mean, most], -1))
        local = (edge.softmax(-1) * valid).nan_to_num()
        local = torch.nn.functional.pad(local, (0, local.shape[-1] % SHARED))
        local = local.unfold(-1, SHARED, SHARED).sum(-1)
        there = torch.einsum("ntb,nctb->ntc", local, x)
        attributes = self.describe(torch.cat([there, mean, most], -1))
        votes = torch.cat([edge, none], -1) * active[..., None]
        return Votes(votes, attributes, active)

    def posterior(self, votes: Tensor, count: Tensor) -> Tensor:
        """Logits of the posterior from a sum of votes `[..., band + 1]` over so many active cells `[...]`."""
        return votes / count.clamp(min=1)[..., None] ** self.exponent.clamp(0, 1)

    def _inputs(self, cells: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`[batch, input, cell, band]`, which places hold something, and which cells are active."""
        valid = ~cells[:, :, 0].isnan()  # [batch, cell, band]
        silent = (cells[:, :, 0] <= FLOOR_DB + 1) & valid
        active = (valid & ~silent).any(-1).float()
        levels = cells.nan_to_num(FLOOR_DB).permute(0, 2, 1, 3)
        scaled = torch.cat([(levels[:, :2] + 90) / 30, levels[:, 2:] / 10], 1) * valid[:, None]
        bands = torch.arange(cells.shape[-1], device=cells.device)
        top = valid.any(1).sum(-1)  # [batch]: bands below the Nyquist frequency
        below = ((top[:, None] - bands) / PER_OCTAVE).clamp(-0.5, 2)[:, None].expand_as(valid)
        place = (bands / 100.0).expand_as(valid)
        x = torch.cat([scaled, torch.stack([valid.float(), silent.float()], 1)], 1)
        x = torch.nn.functional.pad(x, (0, TOP - cells.shape[-1] % SHARED))
        x = x.unfold(-1, SHARED, SHARED).permute(0, 1, 4, 2, 3).flatten(1, 2)  # bands of a place become inputs
        where = torch.nn.functional.pad(torch.stack([below, place], 1), (0, TOP - cells.shape[-1] % SHARED))
        return torch.cat([x, where[..., ::SHARED]], 1), valid, active
