"""Decoded recordings: each is decoded once, to the models' rate, and kept as 16-bit samples, so that excerpts are cheap.

A recording is two files in the cache: `KEY.pcm`, frames of little-endian int16, and `KEY.json`, the fields of `Recording`.
The JSON file is written last: if it exists, the samples are complete. The key is made of the source's path, its size, its
time of change and the rate, so a changed source is decoded again. 16 bits cover the recording's own peak and some headroom.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import TypeAdapter
from torch import Tensor

from upscaler_core import InputError, Registry, UsageError
from upscaler_core.dsp import Resample, measure_bandwidth
from upscaler_core.files import atomic_write, open_recording
from upscaler_train.data.cache_use import CacheUse
from upscaler_train.data.dataset import extracted, tar_of

BLOCK = 65_536
"""Frames that are decoded at a time."""
HEADROOM = 1.5
"""3.5 dB for the peaks between the samples, which resampling makes visible."""
FULL_SCALE = 32_767
"""The largest int16."""


@dataclass(frozen=True)
class Recording:
    """One decoded recording. The field names are those of its JSON file."""

    source: str
    pcm: str
    frames: int
    channels: int
    scale: float
    """The amplitude that an int16 of full scale stands for."""
    bandwidth_hz: float
    """Where its content ends."""

    def read(self, start: int, frames: int) -> Tensor:
        """`[channel, frames]` float32 from a frame on. There are zeros beyond the end."""
        samples = np.memmap(self.pcm, "<i2", "r", shape=(self.frames, self.channels))[start : start + frames]
        audio = torch.from_numpy(np.array(samples)).T * (self.scale / FULL_SCALE)
        return torch.nn.functional.pad(audio, (0, frames - audio.shape[-1]))


_RECORDING = TypeAdapter(Recording)


class RecordingCache:
    """Decoded recordings at one rate.

    Args:
        folder: where they are kept.
        max_bytes: recordings that this run does not need are removed above it, the oldest first.
        rate: Hz.
        resample: brings recordings to that rate.
        registry: where readers are found.
        unchanged_rates: recordings at these rates are not resampled, but taken as if they were at `rate`. Every frequency
            then counts relative to the rate, and no resampling cuts the top of the band off.
    """

    def __init__(
        self,
        folder: Path,
        max_bytes: float,
        rate: int,
        resample: Resample,
        registry: Registry,
        unchanged_rates: Set[int] = frozenset(),
    ) -> None:
        self.folder, self.max_bytes, self.rate, self.resample = folder, max_bytes, rate, resample
        self.registry, self.unchanged_rates = registry, unchanged_rates
        self.used_bytes = 0
        self.use = CacheUse(folder)

    def recordings(self, paths: Sequence[Path], warn: Callable[[str], None]) -> Iterator[Recording | None]:
        """Each path's recording, decoded if it is new; None, after a warning, if it cannot be used.

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
            self.used_bytes += 2 * recording.frames * recording.channels
            if self.used_bytes > self.max_bytes:
                raise UsageError(
                    f"the recordings need more than {self.max_bytes / 2**30:g} GiB when decoded: raise data.cache_gib"
                )
            yield recording
        self._prune()

    def _recording(self, path: Path, warn: Callable[[str], None]) -> Recording:
        try:
            status = (tar_of(path) or path).stat()
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}") from None
        rates = f"{self.rate}{sorted(self.unchanged_rates) or ''}"
        identity = f"1/{path.resolve()}/{status.st_size}/{status.st_mtime_ns}/{rates}"
        key = self.folder / hashlib.blake2b(identity.encode(errors="surrogateescape"), digest_size=12).hexdigest()
        pcm, fields = key.with_suffix(".pcm"), key.with_suffix(".json")
        self.use.add(key.name)
        recording = _read_fields(fields)
        if recording is None:
            recording = self._decode(path, pcm, warn)
            with atomic_write(fields) as part:
                part.write_text(json.dumps(asdict(recording)))
        os.utime(fields)  # marks it as used
        return recording

    def _decode(self, path: Path, pcm: Path, warn: Callable[[str], None]) -> Recording:
        with extracted(path) as file, open_recording(file, self.registry) as source:
            rate, channels = source.info.rate, source.info.channels
            peak_meter = _PeakMeter()
            bandwidth = measure_bandwidth(peak_meter.measure(source.blocks(BLOCK)), rate)
            if not peak_meter.peak:
                raise InputError(f"{path} holds only silence")
            scale, frames = HEADROOM * peak_meter.peak, 0
            target_rate = rate if rate in self.unchanged_rates else self.rate
            with atomic_write(pcm) as part, part.open("wb") as decoded:
                for block in self.resample.stream(source.blocks(BLOCK), rate, target_rate):
                    integers = (block.T * (FULL_SCALE / scale)).round().clamp(-FULL_SCALE, FULL_SCALE)
                    decoded.write(integers.numpy().astype("<i2").tobytes())
                    frames += block.shape[-1]
            if source.damage:
                warn(f"{path} is damaged: {source.damage}; what is there was decoded")
        bandwidth_hz = min(bandwidth.cutoff_hz * self.rate / target_rate, self.rate / 2)
        return Recording(str(path), str(pcm), frames, channels, scale, bandwidth_hz)

    def _prune(self) -> None:
        """Remove the recordings that were used longest ago, until the rest is within the limit."""
        newest_first = sorted(self.folder.glob("*.json"), key=lambda fields: -fields.stat().st_mtime_ns)
        protected, total = self.use.keys(), 0
        for fields in newest_first:
            pcm = fields.with_suffix(".pcm")
            total += pcm.stat().st_size if pcm.is_file() else 0
            if total > self.max_bytes and fields.stem not in protected:
                fields.unlink(missing_ok=True)
                pcm.unlink(missing_ok=True)


def _read_fields(path: Path) -> Recording | None:
    """A decoded recording; None where it is absent, incomplete or damaged, and so is to be decoded again."""
    try:
        recording = _RECORDING.validate_json(path.read_bytes())
        complete = Path(recording.pcm).stat().st_size == 2 * recording.frames * recording.channels
    except (OSError, ValueError):
        return None
    return recording if complete else None


class _PeakMeter:
    """The largest magnitude in a stream that passes through."""

    peak = 0.0

    def measure(self, stream: Iterable[Tensor]) -> Iterator[Tensor]:
        for block in stream:
            self.peak = max(self.peak, float(block.abs().max()) if block.numel() else 0.0)
            yield block


def default_folder() -> Path:
    """Where decoded recordings are kept if the recipe names no folder."""
    base = os.environ.get("LOCALAPPDATA") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "ai-audio-upscaler" / "recordings"
