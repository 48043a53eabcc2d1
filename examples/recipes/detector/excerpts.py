"""Batches of excerpts of simulated recordings."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import torch
from roll_off import rolled_off
from torch import Tensor

LENGTHS = (6, 12, 20, 54)
"""Cells in an excerpt; 54 are ten seconds."""
CELLS = 432
"""Cells in a batch."""
GENTLE = 0.3
"""Share of excerpts that are a full-band recording after a gentle roll-off, another one each time."""


class Data:
    """All simulated recordings of a folder, in memory. Files that come while training runs are read, too."""

    def __init__(self, folder: Path, validation: bool) -> None:
        self.folder, self.validation = folder, validation
        self.read: set[Path] = set()
        self.cells: list[np.ndarray] = []
        self.truths: list[np.ndarray] = []
        self.names: list[str] = []
        self.full_band: list[int] = []
        """Those without an edge and a codec, which can be given a roll-off."""
        self.refresh()

    def refresh(self) -> None:
        for path in sorted(self.folder.glob("*.npz")):
            if path in self.read or path.name.startswith("9") != self.validation:
                continue
            try:
                z = np.load(path)
                parts = np.split(z["cells"], np.cumsum(z["lengths"])[:-1])
            except (OSError, ValueError, EOFError, zipfile.BadZipFile):  # it is being written
                continue
            self.read.add(path)
            self.cells += parts
            self.truths += list(z["truths"])
            self.names += list(z["names"])
        self.full_band = [i for i, truth in enumerate(self.truths) if truth[0] < 0 and truth[4] == 0]


def excerpt(cells: np.ndarray, length: int, rng: np.random.Generator) -> np.ndarray:
    """Cells of an excerpt, with NaN where the recording is shorter."""
    start = int(rng.integers(0, max(1, len(cells) - length + 1)))
    part = cells[start : start + length]
    if len(part) < length:
        part = np.concatenate([part, np.full((length - len(part), *cells.shape[1:]), np.nan, cells.dtype)])
    return part


def shifted(x: np.ndarray, truth: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The same recording as if played faster or slower: all bands, and the truth, move by up to half an octave."""
    shift = int(rng.integers(-12, 13))
    place = truth[0] + shift
    if not shift or (truth[0] >= 0 and not 12 < place < x.shape[-1] - 4):
        return x, truth
    moved = np.roll(x, shift, -1)
    if shift > 0:
        moved[..., :shift] = x[..., :1]
    else:
        moved[..., shift:] = np.nan
    truth = truth.copy()
    truth[0] = place if truth[0] >= 0 else -1
    return moved, truth


def batch(data: Data, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Cells `[n, cell, feature, band]`, two masks `[n, 2, cell]` of the parts, and their truths `[n, 2, truth]`, weights."""
    length = int(rng.choice(LENGTHS, p=[0.15, 0.2, 0.25, 0.4]))
    count = max(6, CELLS // length)
    xs, masks, truths, weights = [], [], [], []
    for _ in range(count):
        i, j = (int(v) for v in rng.integers(len(data.cells), size=2))
        gentle = rng.random() < GENTLE
        if gentle:
            i = data.full_band[int(rng.integers(len(data.full_band)))]
        mask = np.zeros((2, length), np.float32)
        x, truth = excerpt(data.cells[i], length, rng), data.truths[i]
        if gentle and (made := rolled_off(x, truth, rng)):
            x, truth = made
        if length >= 20 and rng.random() < 0.25 and data.truths[i][6] == data.truths[j][6]:
            at = int(rng.integers(6, length - 6))
            x = np.concatenate([x[:at], excerpt(data.cells[j], length - at, rng)])
            mask[0, :at], mask[1, at:] = 1, 1
            weights.append((1.0, 1.0))
        else:
            if rng.random() < 0.6:
                x, truth = shifted(x, truth, rng)
            mask[0] = 1
            weights.append((1.0, 0.0))
        if rng.random() < 0.5:  # backwards
            x, mask = x[::-1], mask[:, ::-1]
        xs.append(x)
        masks.append(mask)
        truths.append(np.stack([truth, data.truths[j]]))
    x = torch.from_numpy(np.stack(xs).astype(np.float32))
    return x, torch.from_numpy(np.stack(masks)), torch.from_numpy(np.stack(truths)), torch.tensor(weights)
