"""The excerpts that are trained on. Excerpt n depends on the seed and n alone: workers and a resumption change nothing."""

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
from upscaler_train.data.dataset import kind_of
from upscaler_train.data.recordings import Recording
from upscaler_train.recipe import DataSpec, RecipeSpec

MAX_DRAWS = 20
"""A silent excerpt is drawn again, at most so often."""
SILENT_RMS = 1e-4
"""−80 dBFS. An excerpt below it is silent."""
OTHER_KINDS = ""
"""The group of all kinds that have no share in the recipe."""
FULL_BAND_SHARE = 7 / 8
"""Share of the Nyquist frequency. If content reaches so far, the recording has the full band."""
MIX_DB = 12.0
"""The second recording of a mix is quieter by 0 dB to so many."""


class Excerpt(NamedTuple):
    """One excerpt."""

    target: Tensor
    """`[channel, time]`: the recording."""
    baseline: Tensor
    """`[channel, time]`: the models' input."""
    cutoff_hz: float
    """Where the baseline's content ends."""
    bandwidth_hz: float
    """Where the target's content ends."""
    start: int
    """A position in the stream of all excerpts, for the models' noise. In samples."""
    source: str
    """The recordings that it is from."""


class Batch(NamedTuple):
    """Several excerpts. The fields are those of `Excerpt`."""

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

    def split(self, count: int) -> list[Batch]:
        """The same excerpts in `count` batches of equal size."""
        size = len(self.sources) // count
        return [Batch(*(field[k : k + size] for field in self)) for k in range(0, len(self.sources), size)]  # type: ignore[arg-type]


def collate(excerpts: list[Excerpt]) -> Batch:
    """Put excerpts together to a batch."""
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
class CleanExcerpt:
    """An excerpt before its band is limited and the degradations are applied."""

    audio: Tensor
    """`[channel, time]`"""
    bandwidth_hz: float
    source: str


class Excerpts(Dataset[Excerpt]):
    """All excerpts that a recipe can draw: `excerpts[n]` for any n >= 0.

    Args:
        recipe: how they are drawn.
        recordings: drawn from in proportion to their lengths, or as the recipe's data says.
        rate: the models' rate, Hz.
        samples: an excerpt's length.
    """

    def __init__(self, recipe: RecipeSpec, recordings: Sequence[Recording], rate: int, samples: int) -> None:
        self.recipe, self.recordings, self.rate, self.samples = recipe, recordings, rate, samples
        cumulative = list(accumulate(draw_probabilities(recordings, recipe.data, rate)))
        self.cumulative = torch.tensor(cumulative, dtype=torch.float64)

    def __getitem__(self, n: int) -> Excerpt:
        with _one_thread():  # as in a worker process: the last bits of a sum depend on the number of threads
            return self._excerpt(n)

    def _excerpt(self, n: int) -> Excerpt:
        generator = seeded_generator(self.recipe.seed, "excerpt", n)
        clean = self._draw(generator)
        if _happens(self.recipe.mix, generator):
            clean = _mix(clean, self._draw(generator), generator)
        for probability, augment in self._augmentations:
            if _happens(probability, generator):
                changed = augment(clean.audio, self.rate, generator)
                clean.audio = changed.audio
                clean.bandwidth_hz = min(clean.bandwidth_hz, changed.bandwidth_hz or self.rate)
        baseline, cutoff = self._degrade(clean, generator)
        return Excerpt(clean.audio, baseline, cutoff, clean.bandwidth_hz, n * self.samples, clean.source)

    def _draw(self, generator: torch.Generator) -> CleanExcerpt:
        """A part of one recording that is not silent, perhaps faster or slower."""
        for _ in range(MAX_DRAWS):
            place = torch.rand((), dtype=torch.float64, generator=generator) * self.cumulative[-1]
            recording = self.recordings[int(torch.searchsorted(self.cumulative, place, right=True))]
            percent = 100 + round(100 * self.recipe.speed * float(2 * torch.rand((), generator=generator) - 1))
            samples = -(-self.samples * percent // 100)
            start = int(torch.randint(max(0, recording.frames - samples) + 1, (), generator=generator))
            audio = self._choose_channels(recording.read(start, samples), generator)
            if float(audio.square().mean().sqrt()) > SILENT_RMS:
                break
        if percent != 100:
            audio = self._resample(audio, self.rate * percent // 100, self.rate)[:, : self.samples]
        bandwidth = min(recording.bandwidth_hz * percent / 100, self.rate / 2 * min(1, percent / 100))
        return CleanExcerpt(audio, bandwidth, recording.source)

    def _choose_channels(self, audio: Tensor, generator: torch.Generator) -> Tensor:
        """Any number of channels -> one of them or their mean, or two, as the recipe says."""
        if self.recipe.channels == "mono":
            choice = int(torch.randint(audio.shape[0] + 1, (), generator=generator))
            return audio[choice : choice + 1] if choice < audio.shape[0] else audio.mean(0, keepdim=True)
        return audio[:2] if audio.shape[0] > 1 else audio.expand(2, -1).clone()

    def _degrade(self, clean: CleanExcerpt, generator: torch.Generator) -> tuple[Tensor, float]:
        """The models' input, and where its content ends: band limit, degradations, down-sampling (white paper §3.2)."""
        limited = self._band_limit(clean.audio, self.rate, generator)
        audio, cutoff = limited.audio, min(limited.bandwidth_hz or self.rate, clean.bandwidth_hz)
        degraded = False
        for probability, degrade in self._degradations if self.recipe.robust_training else ():
            if _happens(probability, generator):
                changed = degrade(audio, self.rate, generator)
                audio, cutoff, degraded = changed.audio, min(changed.bandwidth_hz or self.rate, cutoff), True
        if degraded:  # a real input at a low rate cannot contain the noise that a degradation adds above the cut-off
            audio = lowpass(audio[None], torch.tensor([cutoff]), self.rate)[0]
        return audio, cutoff

    @cached_property
    def _resample(self) -> Resample:
        resampler = self.recipe.resampler
        return self._registry.resampler(resampler.use, resampler.options)

    @cached_property
    def _band_limit(self) -> Degradation:
        return self._build(self.recipe.band_limit)

    @cached_property
    def _augmentations(self) -> list[tuple[float, Degradation]]:
        return [(entry.probability, self._build(entry)) for entry in self.recipe.augmentations]

    @cached_property
    def _degradations(self) -> list[tuple[float, Degradation]]:
        return [(entry.probability, self._build(entry)) for entry in self.recipe.degradations]

    def _build(self, component: ComponentRef) -> Degradation:
        return self._registry.degradation(component.use, component.options)

    @property
    def _registry(self) -> Registry:
        """The registry of this process. A worker process has not discovered any plugin yet."""
        return discover().add_files(self.recipe.plugins)


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def draw_probabilities(recordings: Sequence[Recording], data: DataSpec, rate: int) -> list[float]:
    """How likely each recording is drawn: its part of its kind's length, times the kind's share.

    All kinds without a share are one group, which gets the rest. A recording of full band counts for `data.full_band` times
    its length.

    Raises:
        UsageError: a kind with a share has no recording.
    """
    kinds = [kind_of(recording.source) for recording in recordings]
    groups = [kind if kind in data.shares else OTHER_KINDS for kind in kinds]
    if missing := sorted(set(data.shares) - set(kinds)):
        raise UsageError(f"data.shares: no manifest names a recording of the kind '{missing[0]}'")
    lengths = [r.frames * (data.full_band if r.bandwidth_hz >= FULL_BAND_SHARE * rate / 2 else 1) for r in recordings]
    group_lengths: defaultdict[str, float] = defaultdict(float)
    for group, length in zip(groups, lengths, strict=True):
        group_lengths[group] += length
    share = {OTHER_KINDS: 1 - sum(data.shares.values()), **data.shares}
    return [share[group] * length / group_lengths[group] for group, length in zip(groups, lengths, strict=True)]


def _happens(probability: float, generator: torch.Generator) -> bool:
    return float(torch.rand((), generator=generator)) < probability


def _mix(first: CleanExcerpt, second: CleanExcerpt, generator: torch.Generator) -> CleanExcerpt:
    """The sum of both, the second one quieter. It has the full band only where both have it."""
    gain = 10 ** (-MIX_DB / 20 * float(torch.rand((), generator=generator)))
    audio = first.audio + gain * second.audio
    audio = audio / audio.abs().amax().clamp(min=1)
    bandwidth = min(first.bandwidth_hz, second.bandwidth_hz)
    return CleanExcerpt(audio, bandwidth, f"{first.source} + {second.source}")


def seeded_generator(*purpose: int | str) -> torch.Generator:
    """A generator whose seed is a hash of what it is for."""
    return torch.Generator().manual_seed(seed_of(*purpose))


def seed_of(*purpose: int | str) -> int:
    """A seed that differs for everything that it is for."""
    digest = hashlib.blake2b("/".join(map(str, purpose)).encode(), digest_size=7).digest()
    return int.from_bytes(digest, "little")
