"""The data set: excerpt n is a pure function of the seed and n, so neither workers nor a resumption change it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset

from upscaler_core import Registry, UsageError, discover
from upscaler_core.dsp import Resample, lowpass
from upscaler_core.pipeline import ComponentRef
from upscaler_core.plugins import Degradation
from upscaler_train.recipe import DataSpec, RecipeSpec
from upscaler_train.recordings import Recording
from upscaler_train.sources import kind_of

TRIES = 20
"""Silent excerpts are drawn again, but not for ever."""
SILENCE = 1e-4
"""RMS: −80 dBFS."""
REST = ""
"""The group of the kinds that have no share."""
FULL = 7 / 8
"""Of the Nyquist frequency: content that reaches so far reaches the top."""
MIX_DB = 12.0
"""A mixed-in excerpt is up to so much quieter."""


class Excerpt(NamedTuple):
    """One excerpt."""

    target: Tensor
    """`[channel, time]`: the recording."""
    baseline: Tensor
    """`[channel, time]`: what the models are given."""
    cutoff_hz: float
    """Where the baseline's content ends."""
    bandwidth_hz: float
    """Where the target's content ends."""
    start: int
    """A position in the stream of all excerpts, for the models' noise."""
    source: str
    """The recordings that it is from."""


class Batch(NamedTuple):
    """Several excerpts."""

    target: Tensor
    """`[batch, channel, time]`"""
    baseline: Tensor
    """`[batch, channel, time]`"""
    cutoff_hz: Tensor
    """`[batch]`"""
    bandwidth_hz: Tensor
    """`[batch]`"""
    start: Tensor
    """`[batch]`"""
    sources: list[str]

    def parts(self, count: int) -> list[Batch]:
        """The same in so many equal parts."""
        size = len(self.sources) // count
        return [Batch(*(field[k : k + size] for field in self)) for k in range(0, len(self.sources), size)]  # type: ignore[arg-type]


def collate(excerpts: list[Excerpt]) -> Batch:
    """Put excerpts together."""
    targets, baselines, cutoffs, bandwidths, starts, sources = zip(*excerpts, strict=True)
    return Batch(
        torch.stack(targets),
        torch.stack(baselines),
        torch.tensor(cutoffs),
        torch.tensor(bandwidths),
        torch.tensor(starts),
        list(sources),
    )


@dataclass
class Clean:
    """An undamaged excerpt on its way."""

    audio: Tensor
    bandwidth_hz: float
    source: str


class Excerpts(Dataset[Excerpt]):
    """All excerpts that a recipe can draw; `excerpts[n]` for any n >= 0.

    Args:
        recipe: says how.
        recordings: drawn from in proportion to their lengths, or as the recipe's data says.
        rate: the models' rate, Hz.
        samples: an excerpt's length.
    """

    def __init__(self, recipe: RecipeSpec, recordings: Sequence[Recording], rate: int, samples: int) -> None:
        self.recipe, self.recordings, self.rate, self.samples = recipe, recordings, rate, samples
        self.ends = torch.tensor(list(accumulate(chances(recordings, recipe.data, rate))), dtype=torch.float64)

    def __getitem__(self, n: int) -> Excerpt:
        with _one_thread():  # as in a worker: the last bits of a sum change with the number of threads
            return self._excerpt(n)

    def _excerpt(self, n: int) -> Excerpt:
        chance = generator(self.recipe.seed, "excerpt", n)
        clean = self._clip(chance)
        if _happens(self.recipe.mix, chance):
            clean = _sum(clean, self._clip(chance), chance)
        for probability, degrade in self._augmentations:
            if _happens(probability, chance):
                changed = degrade(clean.audio, self.rate, chance)
                clean.audio = changed.audio
                clean.bandwidth_hz = min(clean.bandwidth_hz, changed.bandwidth_hz or self.rate)
        baseline, cutoff = self._degraded(clean, chance)
        return Excerpt(clean.audio, baseline, cutoff, clean.bandwidth_hz, n * self.samples, clean.source)

    def _clip(self, chance: torch.Generator) -> Clean:
        """A stretch of one recording that is not silent."""
        for _ in range(TRIES):
            place = torch.rand((), dtype=torch.float64, generator=chance) * self.ends[-1]
            recording = self.recordings[int(torch.searchsorted(self.ends, place, right=True))]
            percent = 100 + round(100 * self.recipe.speed * float(2 * torch.rand((), generator=chance) - 1))
            samples = -(-self.samples * percent // 100)
            start = int(torch.randint(max(0, recording.frames - samples) + 1, (), generator=chance))
            audio = self._channels(recording.read(start, samples), chance)
            if float(audio.square().mean().sqrt()) > SILENCE:
                break
        if percent != 100:
            audio = self._resample(audio, self.rate * percent // 100, self.rate)[:, : self.samples]
        bandwidth = min(recording.bandwidth_hz * percent / 100, self.rate / 2 * min(1, percent / 100))
        return Clean(audio, bandwidth, recording.source)

    def _channels(self, audio: Tensor, chance: torch.Generator) -> Tensor:
        """Any channels -> one of them or their mean, or two."""
        if self.recipe.channels == "mono":
            choice = int(torch.randint(audio.shape[0] + 1, (), generator=chance))
            return audio[choice : choice + 1] if choice < audio.shape[0] else audio.mean(0, keepdim=True)
        return audio[:2] if audio.shape[0] > 1 else audio.expand(2, -1).clone()

    def _degraded(self, clean: Clean, chance: torch.Generator) -> tuple[Tensor, float]:
        """The input, and where its content ends: bandwidth, degradations, down-sampling (white paper §3.2)."""
        limited = self._band_limit(clean.audio, self.rate, chance)
        audio, cutoff = limited.audio, min(limited.bandwidth_hz or self.rate, clean.bandwidth_hz)
        damaged = False
        for probability, degrade in self._degradations if self.recipe.robust_training else ():
            if _happens(probability, chance):
                changed = degrade(audio, self.rate, chance)
                audio, cutoff, damaged = changed.audio, min(changed.bandwidth_hz or self.rate, cutoff), True
        if damaged:  # noise above the band would be gone, had the input come at its own low rate
            audio = lowpass(audio[None], torch.tensor([cutoff]), self.rate)[0]
        return audio, cutoff

    @cached_property
    def _resample(self) -> Resample:
        use = self.recipe.resampler
        return self._registry.resampler(use.use, **use.options)

    @cached_property
    def _band_limit(self) -> Degradation:
        return self._build(self.recipe.band_limit)

    @cached_property
    def _augmentations(self) -> list[tuple[float, Degradation]]:
        return [(use.probability, self._build(use)) for use in self.recipe.augmentations]

    @cached_property
    def _degradations(self) -> list[tuple[float, Degradation]]:
        return [(use.probability, self._build(use)) for use in self.recipe.degradations]

    def _build(self, use: ComponentRef) -> Degradation:
        return self._registry.degradation(use.use, **use.options)

    @property
    def _registry(self) -> Registry:
        """That of the process that this is in: a worker has discovered nothing yet."""
        return discover().add_files(self.recipe.plugins)


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def chances(recordings: Sequence[Recording], data: DataSpec, rate: int) -> list[float]:
    """How likely each recording is: its part of its kind's length times the kind's share.

    The kinds without a share go together, and share the rest. A recording of full band counts for `data.full_band` times
    its length.

    Raises:
        UsageError: a kind with a share has no recording.
    """
    kinds = [kind_of(recording.source) for recording in recordings]
    groups = [kind if kind in data.shares else REST for kind in kinds]
    if missing := sorted(set(data.shares) - set(kinds)):
        raise UsageError(f"data.shares: no manifest names a recording of the kind '{missing[0]}'")
    lengths = [r.frames * (data.full_band if r.bandwidth_hz >= FULL * rate / 2 else 1) for r in recordings]
    together: defaultdict[str, float] = defaultdict(float)
    for group, length in zip(groups, lengths, strict=True):
        together[group] += length
    share = {REST: 1 - sum(data.shares.values()), **data.shares}
    return [share[group] * length / together[group] for group, length in zip(groups, lengths, strict=True)]


def _happens(probability: float, chance: torch.Generator) -> bool:
    return float(torch.rand((), generator=chance)) < probability


def _sum(one: Clean, other: Clean, chance: torch.Generator) -> Clean:
    """Both together, the second one quieter; full only where both are."""
    gain = 10 ** (-MIX_DB / 20 * float(torch.rand((), generator=chance)))
    audio = one.audio + gain * other.audio
    audio = audio / audio.abs().amax().clamp(min=1)
    return Clean(audio, min(one.bandwidth_hz, other.bandwidth_hz), f"{one.source} + {other.source}")


def generator(*what: int | str) -> torch.Generator:
    """A generator seeded by a hash of what it is for."""
    return torch.Generator().manual_seed(seed_of(*what))


def seed_of(*what: int | str) -> int:
    """A seed that differs for everything that it is for."""
    digest = hashlib.blake2b("/".join(map(str, what)).encode(), digest_size=7).digest()
    return int.from_bytes(digest, "little")
