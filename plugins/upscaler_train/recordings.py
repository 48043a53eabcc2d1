"""Recordings, decoded once: brought to the models' rate and kept as 16-bit samples on disk, so that an excerpt is cheap.

A recording is two files in the cache: `KEY.pcm`, frames of little-endian int16, and `KEY.json`, what is known of it. The
second is written last, so where it stands the first is whole. The key is made of the source's path, size and time of
change and of the rate, so a changed source is decoded again. 16 bits are spread over the recording's own peak.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import asdict, dataclass
from glob import glob
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from upscaler_core import InputError, Kind, Registry, UsageError
from upscaler_core.dsp import Resample, measure_bandwidth
from upscaler_core.files import atomic_write, open_recording
from upscaler_train.shards import SUFFIX, expanded, is_shard, open_shard, shard_of, unpacked

BLOCK = 65_536
HEADROOM = 1.5
"""3.5 dB for what resampling finds between the samples."""
FULL_SCALE = 32_767


@dataclass(frozen=True)
class Recording:
    """One decoded recording."""

    source: str
    pcm: str
    frames: int
    channels: int
    scale: float
    """What an int16 of full scale stands for."""
    bandwidth_hz: float
    """Where its content ends."""

    def read(self, start: int, frames: int) -> Tensor:
        """`[channel, frames]` float32 from a sample on, zeros beyond the end."""
        samples = np.memmap(self.pcm, "<i2", "r", shape=(self.frames, self.channels))[start : start + frames]
        audio = torch.from_numpy(np.array(samples)).T * (self.scale / FULL_SCALE)
        return torch.nn.functional.pad(audio, (0, frames - audio.shape[-1]))


class Cache:
    """Decoded recordings at one rate.

    Args:
        folder: where they are kept.
        limit: bytes; what this run does not need goes first, the oldest first.
        rate: Hz.
        resample: brings recordings to that rate.
        registry: where readers are found.
        as_is: rates of recordings that are kept as they are and taken as if they were at `rate`: every frequency counts
            relative to the rate, and nothing is lost between two rates.
    """

    def __init__(
        self,
        folder: Path,
        limit: float,
        rate: int,
        resample: Resample,
        registry: Registry,
        as_is: Set[int] = frozenset(),
    ) -> None:
        self.folder, self.limit, self.rate, self.resample, self.registry = folder, limit, rate, resample, registry
        self.as_is = as_is
        self.used = 0

    def recordings(self, paths: Sequence[Path], warn: Callable[[str], None]) -> Iterator[Recording | None]:
        """Each path's recording, decoded where it is new; None, after a warning, for what cannot be used.

        Raises:
            UsageError: together they need more than the limit.
        """
        for path in paths:
            try:
                recording = self._recording(path, warn)
            except InputError as error:
                warn(f"{error}; left out")
                yield None
                continue
            self.used += 2 * recording.frames * recording.channels
            if self.used > self.limit:
                raise UsageError(
                    f"the recordings need more than {self.limit / 2**30:g} GiB when decoded: raise data.cache_gib"
                )
            yield recording
        self._prune()

    def _recording(self, path: Path, warn: Callable[[str], None]) -> Recording:
        try:
            facts = (shard_of(path) or path).stat()
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}") from None
        identity = f"1/{path.resolve()}/{facts.st_size}/{facts.st_mtime_ns}/{self.rate}{sorted(self.as_is) or ''}"
        key = self.folder / hashlib.blake2b(identity.encode(errors="surrogateescape"), digest_size=12).hexdigest()
        pcm, card = key.with_suffix(".pcm"), key.with_suffix(".json")
        if not (card.is_file() and pcm.is_file()):
            recording = self._decode(path, pcm, warn)
            with atomic_write(card) as part:
                part.write_text(json.dumps(asdict(recording)))
        os.utime(card)
        return Recording(**json.loads(card.read_text()))

    def _decode(self, path: Path, pcm: Path, warn: Callable[[str], None]) -> Recording:
        with unpacked(path) as file, open_recording(file, self.registry) as source:
            rate, channels = source.info.rate, source.info.channels
            listener = _Peak()
            bandwidth = measure_bandwidth(listener.hear(source.blocks(BLOCK)), rate)
            if not listener.peak:
                raise InputError(f"{path} holds only silence")
            scale, frames = HEADROOM * listener.peak, 0
            with atomic_write(pcm) as part, part.open("wb") as decoded:
                taken_as = rate if rate in self.as_is else self.rate
                for block in self.resample.stream(source.blocks(BLOCK), rate, taken_as):
                    whole = (block.T * (FULL_SCALE / scale)).round().clamp(-FULL_SCALE, FULL_SCALE)
                    decoded.write(whole.numpy().astype("<i2").tobytes())
                    frames += block.shape[-1]
            if source.damage:
                warn(f"{path} is damaged: {source.damage}; what is there was decoded")
        bandwidth_hz = min(bandwidth.cutoff_hz * self.rate / taken_as, self.rate / 2)
        return Recording(str(path), str(pcm), frames, channels, scale, bandwidth_hz)

    def _prune(self) -> None:
        """Forget the recordings that were used longest ago, until the rest is within the limit."""
        cards = sorted(self.folder.glob("*.json"), key=lambda card: -card.stat().st_mtime_ns)
        total = 0
        for card in cards:
            pcm = card.with_suffix(".pcm")
            total += pcm.stat().st_size if pcm.is_file() else 0
            if total > self.limit:
                card.unlink(missing_ok=True)
                pcm.unlink(missing_ok=True)


class _Peak:
    """The largest magnitude in a stream that passes by."""

    peak = 0.0

    def hear(self, stream: Iterable[Tensor]) -> Iterator[Tensor]:
        for block in stream:
            self.peak = max(self.peak, float(block.abs().max()) if block.numel() else 0.0)
            yield block


def default_folder() -> Path:
    """Where decoded recordings are kept unless the recipe says otherwise."""
    base = os.environ.get("LOCALAPPDATA") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "ai-audio-upscaler" / "recordings"


def audio_files(patterns: Sequence[str], base: Path, registry: Registry) -> list[Path]:
    """The recordings that patterns (files, folders, globs, from `base`) name, each once, sorted within a pattern.

    Raises:
        UsageError: a pattern names none.
        InputError: a shard cannot be read.
    """
    suffixes = {suffix for entry in registry.of(Kind.READER) for suffix in entry.component.suffixes}
    found: dict[Path, None] = {}
    for pattern in (each for given in patterns for each in expanded(given)):
        place = base / Path(pattern).expanduser()
        recordings = [path for file in _files(place, suffixes) for path in _recordings(file, suffixes)]
        if not recordings:
            raise UsageError(f"{place}: there is no audio file")
        found.update(dict.fromkeys(recordings))
    return list(found)


def _files(place: Path, suffixes: Set[str]) -> list[Path]:
    if place.is_dir():
        return [p for p in sorted(place.rglob("*")) if p.suffix.lower() in {*suffixes, SUFFIX} and p.is_file()]
    if place.is_file():
        return [place]
    return [Path(p) for p in sorted(glob(str(place), recursive=True))]  # noqa: PTH207 - absolute patterns too


def _recordings(file: Path, suffixes: Set[str]) -> list[Path]:
    """A file, or those in a shard."""
    if not is_shard(file):
        return [file]
    return [path for name in sorted(open_shard(file).members) if (path := file / name).suffix.lower() in suffixes]
