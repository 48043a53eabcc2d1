"""Train the network of `edge-net` on what `simulate.py` made.

    python examples/recipes/detector/train.py --data FOLDER --out edge-net.pt [--minutes 60]

It goes on from `--out` where that exists, and writes it every two minutes. Recordings whose file name begins with 9 are for
validation. `--export FILE.safetensors` writes the weights with their card, and does not train.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from excerpts import CELLS, Data, batch
from torch import Tensor
from torch.nn.functional import cross_entropy, log_softmax

from upscaler_bandwidth.network import ABOVE, CAUSES, CODECS, EdgeNetwork
from upscaler_core.atomic import atomic_write
from upscaler_core.models import Card, write_checkpoint

SOURCES = (
    "the recordings of the training manifest (music, speech, drums, instruments)",
    "hedgewars-data, sonic-pi-samples, colobot-common-sounds, hydrogen-data, flightgear-data-base, fillets-ng-data-cs, "
    "widelands-data, openclonk-data, lincity-ng-data, flare-game (examples/recipes/fetch_audio.py)",
    "FluidR3_GM and TimGM6mb, played by examples/recipes/detector/render_solos.py",
)
LICENCES = (
    "CC0-1.0", "CC-BY-3.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0", "GPL-2", "GPL-2+", "GPL-3+", "MIT (FluidR3_GM)",
    "those of the training manifest's recordings",
)  # fmt: skip
NEAR = 2.34
"""Bands in 7 %: log2(1.07) · 24."""


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
    causes, aboves, codecs, numbers = attributes.split([len(CAUSES), len(ABOVE), len(CODECS), 2], -1)
    has_edge, lossy = (place >= 0).float(), (codec > 0).float()
    terms = {
        "edge": edge,
        "cause": 0.3 * cross_entropy(causes, cause.long(), reduction="none"),
        "above": 0.3 * has_edge * cross_entropy(aboves, above.long(), reduction="none"),
        "codec": 0.2 * cross_entropy(codecs, codec.long(), reduction="none"),
        "kbps": 0.05 * lossy * (numbers[:, 0] - kbps.clamp(min=4).log2()).abs(),
        "order": 0.1 * has_edge * (numbers[:, 1] - order.clamp(min=2).log2()).abs(),
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
    right = {"gentle": [0, 0], "edge": [0, 0], "none": [0, 0], "cause": [0, 0], "above": [0, 0], "codec": [0, 0]}
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
        if t[0] >= 0 and int(t[2]) == CAUSES.index("low-pass"):
            right["gentle"][0] += good
            right["gentle"][1] += 1
        parts = attributes.split([len(CAUSES), len(ABOVE), len(CODECS), 2], -1)
        for index, (name, part) in enumerate(zip(("cause", "above", "codec"), parts, strict=False), 2):
            if name == "above" and t[0] < 0:
                continue
            right[name][0] += int(part.argmax() == int(t[index]))
            right[name][1] += 1
    net.train()
    return f"loss {loss / max(1, min(limit, len(data.cells))):.3f} " + " ".join(
        f"{k} {a}/{b}={a / max(1, b):.3f}" for k, (a, b) in right.items()
    )


@dataclass
class Training:
    """The state of a training, which is resumed from its file."""

    net: EdgeNetwork
    optimizer: torch.optim.Optimizer
    average: dict[str, Tensor]
    """Of the weights, over the last 500 steps or so: this is what is used."""
    step: int = 0
    """Of the present schedule of learning rates."""
    earlier: int = 0
    """Steps of earlier schedules."""

    @classmethod
    def open(cls, path: Path, rate: float, restart: bool) -> Training:
        net = EdgeNetwork()
        optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=1e-3)
        training = cls(net, optimizer, {name: value.clone() for name, value in net.state_dict().items()})
        if not path.exists():
            return training
        state = torch.load(path, weights_only=True)
        training.average, training.step = state["average"], state["step"]
        training.earlier = state.get("earlier", 0)
        if restart:
            net.load_state_dict(training.average)
            training.step, training.earlier = 0, training.earlier + training.step
        else:
            net.load_state_dict(state["net"])
            optimizer.load_state_dict(state["optimizer"])
        return training

    def save(self, path: Path) -> None:
        state = {"net": self.net.state_dict(), "optimizer": self.optimizer.state_dict(), "average": self.average}
        with atomic_write(path) as part:
            torch.save(state | {"step": self.step, "earlier": self.earlier}, part)

    def advance(self, loss: Tensor, highest_rate: float, steps: int) -> None:
        """Take a step: the learning rate rises for 100 steps, then falls as a cosine to a fiftieth."""
        warm, cool = min(1, self.step / 100), 0.5 * (1 + np.cos(np.pi * self.step / steps))
        for group in self.optimizer.param_groups:
            group["lr"] = float(highest_rate * warm * (0.02 + 0.98 * cool))
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        decay = min(0.998, self.step / (self.step + 10))
        for name, value in self.net.state_dict().items():
            self.average[name].lerp_(value, 1 - decay)

    def averaged(self) -> EdgeNetwork:
        net = EdgeNetwork()
        net.load_state_dict(self.average)
        return net

    def export(self, path: Path, folder: Path) -> None:
        """Write the checkpoint, in float16, with its card."""
        count = sum(len(np.load(part)["lengths"]) for part in folder.glob("[!9]*.npz"))
        steps = self.earlier + self.step
        card = Card(
            component="edge-net",
            options={"channels": self.average["stem.weight"].shape[0]},
            rate=48_000,
            summary="where the content ends, from band levels, over time",
            training={"recipe": "examples/recipes/detector", "steps": steps, "cells": CELLS, "recordings": count},
            data=[*SOURCES],
            licences=[*LICENCES],
            limits="Edges below 1.9 kHz, and files under a second. See docs/benchmarks.md, Bandwidth detection.",
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        write_checkpoint(path, self.average, card, torch.float16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--steps", type=int, default=6_000, help="steps of the complete schedule of learning rates")
    parser.add_argument("--rate", type=float, default=3e-3, help="the highest learning rate")
    parser.add_argument("--restart", action="store_true", help="begin a new schedule with the weights of --out")
    parser.add_argument("--export", type=Path, help="write the weights as a checkpoint, and do not train")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    training = Training.open(options.out, options.rate, options.restart)
    if options.export:
        training.export(options.export, options.data)
        return
    data, validation = Data(options.data, False), Data(options.data, True)
    count = sum(p.numel() for p in training.net.parameters())
    print(f"{count} weights, {len(data.cells)} + {len(validation.cells)} recordings", flush=True)
    began = saved = time.monotonic()
    shown: dict[str, float] = {}
    while training.step < options.steps and time.monotonic() - began < 60 * options.minutes:
        rng = np.random.default_rng([1, training.earlier + training.step])
        loss, terms = loss_of(training.net, *batch(data, rng))
        training.advance(loss, options.rate, options.steps)
        shown = {k: shown.get(k, v) * 0.98 + v * 0.02 for k, v in terms.items()}
        if training.step % 50 == 0:
            means = " ".join(f"{k} {v:.3f}" for k, v in shown.items())
            print(f"{training.step} {time.monotonic() - began:.0f} s {means}", flush=True)
        if time.monotonic() - saved > 120:
            training.save(options.out)
            data.refresh()
            validation.refresh()
            saved = time.monotonic()
            print(training.step, len(data.cells), validate(training.averaged(), validation, 300), flush=True)
    training.save(options.out)


if __name__ == "__main__":
    main()
