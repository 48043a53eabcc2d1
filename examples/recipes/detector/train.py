"""Train the network of `edge-net` on what `simulate.py` made.

    python examples/recipes/detector/train.py --data FOLDER --out edge-net.pt [--minutes 60]

It goes on from `--out` where that exists, and writes it every two minutes. Recordings whose file name begins with 9 are for
validation. `--export FILE.safetensors` writes the weights with their card, and does not train.
"""

from __future__ import annotations

import argparse
import time
import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, log_softmax

from upscaler_bandwidth.network import EdgeNetwork
from upscaler_core.models import Card, write_checkpoint

SOURCES = (
    "the recordings of the training manifest (music, speech, drums, instruments)",
    "hedgewars-data, sonic-pi-samples, colobot-common-sounds, hydrogen-data, flightgear-data-base, fillets-ng-data-cs, "
    "widelands-data, openclonk-data, lincity-ng-data, flare-game (examples/recipes/fetch_audio.py)",
    "FluidR3_GM and TimGM6mb, played by examples/recipes/detector/render_solos.py",
)
NEAR = 2.34
"""Bands in 7 %: log2(1.07) · 24."""
LENGTHS = (6, 12, 20, 54)
"""Cells in an excerpt; 54 are ten seconds."""
CELLS = 432
"""Cells in a batch."""


class Data:
    """All simulated recordings of a folder, in memory. Files that come while training runs are read, too."""

    def __init__(self, folder: Path, validation: bool) -> None:
        self.folder, self.validation = folder, validation
        self.read: set[Path] = set()
        self.cells: list[np.ndarray] = []
        self.truths: list[np.ndarray] = []
        self.names: list[str] = []
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
        mask = np.zeros((2, length), np.float32)
        x, truth = excerpt(data.cells[i], length, rng), data.truths[i]
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


def soft_target(place: Tensor, bands: int) -> Tensor:
    """`[n]` places on the scale of bands, -1 = none -> `[n, band + 1]` probabilities."""
    centres = torch.arange(bands) + 0.5
    target = torch.exp(-0.5 * ((centres - place[:, None]) / 0.8) ** 2)
    target = torch.cat([target, torch.zeros(len(place), 1)], 1)
    target[place < 0] = 0
    target[place < 0, -1] = 1
    return target / target.sum(1, keepdim=True).clamp(min=1e-6)


def loss_of(
    net: EdgeNetwork, x: Tensor, masks: Tensor, truths: Tensor, weights: Tensor
) -> tuple[Tensor, dict[str, float]]:
    votes = net(x)
    masks = masks * votes.active[:, None]
    sums = torch.einsum("nst,ntb->nsb", masks, votes.edge)
    counts = masks.sum(-1)
    logits = net.posterior(sums, counts).flatten(0, 1)
    attributes = (torch.einsum("nst,nta->nsa", masks, votes.attributes) / counts.clamp(min=1)[..., None]).flatten(0, 1)
    truth, weight = truths.flatten(0, 1), weights.flatten() * (counts.flatten() > 0)
    weight = weight / weight.sum()
    place, order, cause, above, codec, kbps = truth[:, :6].unbind(1)
    target = soft_target(place, x.shape[-1])
    edge = -(target * log_softmax(logits, -1)).sum(-1)
    a, b, c = attributes[:, :5], attributes[:, 5:8], attributes[:, 8:14]
    has_edge, lossy = (place >= 0).float(), (codec > 0).float()
    terms = {
        "edge": edge,
        "cause": 0.3 * cross_entropy(a, cause.long(), reduction="none"),
        "above": 0.3 * has_edge * cross_entropy(b, above.long(), reduction="none"),
        "codec": 0.2 * cross_entropy(c, codec.long(), reduction="none"),
        "kbps": 0.05 * lossy * (attributes[:, 14] - kbps.clamp(min=4).log2()).abs(),
        "order": 0.1 * has_edge * (attributes[:, 15] - order.clamp(min=2).log2()).abs(),
    }
    total = sum((weight * term).sum() for term in terms.values())
    return total, {name: float((weight * term).sum().detach()) for name, term in terms.items()}  # type: ignore[return-value]


def decide(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The place that has most of the posterior within 7 %, or -1; and how much that is."""
    p = logits.softmax(-1)
    near = torch.nn.functional.conv1d(p[:, None, :-1], torch.ones(1, 1, 5), padding=2)[:, 0]
    best, place = near.max(-1)
    window = torch.stack([torch.nn.functional.pad(p[:, :-1], (2, 2))[:, k : k + near.shape[1]] for k in range(5)], -1)
    chosen = window[torch.arange(len(p)), place]
    centre = place + 0.5 + (chosen * torch.arange(-2, 3)).sum(-1) / chosen.sum(-1).clamp(min=1e-9)
    none = p[:, -1] > best
    return torch.where(none, -1.0, centre), torch.where(none, p[:, -1], best)


@torch.no_grad()
def validate(net: EdgeNetwork, data: Data, limit: int = 1500) -> str:
    net.eval()
    right = {"edge": [0, 0], "none": [0, 0], "cause": [0, 0], "above": [0, 0], "codec": [0, 0]}
    loss = 0.0
    for i in range(min(limit, len(data.cells))):
        x = torch.from_numpy(data.cells[i].astype(np.float32))[None]
        truth = torch.from_numpy(data.truths[i])[None, None].repeat(1, 2, 1)
        votes = net(x)
        logits = net.posterior(votes.edge.sum(1), votes.active.sum(1))
        place, _ = decide(logits)
        attributes = (votes.attributes * votes.active[..., None]).sum(1) / votes.active.sum(1).clamp(min=1)[:, None]
        loss += float(-(soft_target(truth[:, 0, 0], x.shape[-1]) * log_softmax(logits, -1)).sum())
        t = truth[0, 0]
        key = "edge" if t[0] >= 0 else "none"
        good = abs(float(place - t[0])) < NEAR if t[0] >= 0 else bool(place < 0)
        right[key][0] += good
        right[key][1] += 1
        for name, part, index in (
            ("cause", attributes[:, :5], 2),
            ("above", attributes[:, 5:8], 3),
            ("codec", attributes[:, 8:14], 4),
        ):
            if name == "above" and t[0] < 0:
                continue
            right[name][0] += int(part.argmax() == int(t[index]))
            right[name][1] += 1
    net.train()
    return f"loss {loss / max(1, min(limit, len(data.cells))):.3f} " + " ".join(
        f"{k} {a}/{b}={a / max(1, b):.3f}" for k, (a, b) in right.items()
    )


def export(path: Path, weights: dict[str, Tensor], step: int, folder: Path) -> None:
    """Write the checkpoint, in float16, with its card."""
    count = sum(len(np.load(part)["lengths"]) for part in folder.glob("[!9]*.npz"))
    card = Card(
        component="edge-net",
        options={"channels": weights["stem.weight"].shape[0]},
        rate=48_000,
        summary="where the content ends, from band levels, over time",
        training={"recipe": "examples/recipes/detector", "steps": step, "cells": CELLS, "recordings": count},
        data=[*SOURCES],
        licences=["CC0", "CC-BY", "CC-BY-SA", "GPL", "MIT", "each file's own, see the manifests"],
        limits="Edges below 1.5 kHz, and files under a second. See docs/benchmarks.md, Bandwidth detection.",
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_checkpoint(path, weights, card, torch.float16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--steps", type=int, default=6_000, help="steps of the complete schedule of learning rates")
    parser.add_argument("--rate", type=float, default=3e-3, help="the highest learning rate")
    parser.add_argument("--export", type=Path, help="write the weights as a checkpoint, and do not train")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    net = EdgeNetwork()
    optimizer = torch.optim.AdamW(net.parameters(), lr=options.rate, weight_decay=1e-3)
    average = {k: v.clone() for k, v in net.state_dict().items()}
    step = 0
    if options.out.exists():
        state = torch.load(options.out, weights_only=True)
        net.load_state_dict(state["net"])
        optimizer.load_state_dict(state["optimizer"])
        average, step = state["average"], state["step"]
    if options.export:
        export(options.export, average, step, options.data)
        return
    data, validation = Data(options.data, False), Data(options.data, True)
    print(
        f"{sum(p.numel() for p in net.parameters())} weights, {len(data.cells)} + {len(validation.cells)} recordings",
        flush=True,
    )
    began = saved = time.monotonic()
    shown: dict[str, float] = {}
    while step < options.steps and time.monotonic() - began < 60 * options.minutes:
        rng = np.random.default_rng([1, step])
        for group in optimizer.param_groups:
            warm, cool = min(1, step / 100), 0.5 * (1 + np.cos(np.pi * step / options.steps))
            group["lr"] = float(options.rate * warm * (0.02 + 0.98 * cool))
        loss, terms = loss_of(net, *batch(data, rng))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        step += 1
        decay = min(0.998, step / (step + 10))
        for name, value in net.state_dict().items():
            average[name].lerp_(value, 1 - decay)
        shown = {k: shown.get(k, v) * 0.98 + v * 0.02 for k, v in terms.items()}
        if step % 50 == 0:
            print(
                step,
                f"{time.monotonic() - began:.0f} s",
                " ".join(f"{k} {v:.3f}" for k, v in shown.items()),
                flush=True,
            )
        if time.monotonic() - saved > 120 or step == options.steps:
            torch.save(
                {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "average": average, "step": step},
                options.out,
            )
            data.refresh()
            validation.refresh()
            now, saved = {k: v.clone() for k, v in net.state_dict().items()}, time.monotonic()
            net.load_state_dict(average)
            print(step, len(data.cells), validate(net, validation, 300), flush=True)
            net.load_state_dict(now)


if __name__ == "__main__":
    main()
