"""Reads audio through ffmpeg, as 32-bit floats and block by block.

From pydub comes only which ffmpeg to run. Its `AudioSegment` holds the whole file in memory, and as integers, which
would cut float and lossy sources off at full scale; so the samples come straight through a pipe.

A lossy coder delays the signal and pads its end. What the file says of that is honoured: the edit list of M4A, MP4 and
MOV, whose length ffmpeg's own writer rounds down to 1 ms, and the delay of Opus in MKV and WebM. Where nothing is said,
the coder's delay stays at the beginning: as ffmpeg writes them, 1024 samples for AAC that is bare or in MKV, MPEG-TS or
fragmented MP4, 256 for AC-3, 512 for DTS, 1105 for MP3 in AVI. WMA by ffmpeg's own coder begins 2048 samples late at
44.1 kHz: its decoder drops more than that coder adds.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from upscaler_core import AudioInfo, InputError, Options
from upscaler_pydub import programs

RATES = range(1_000, 768_001)
"""Sample rates that are believed, Hz."""
CHANNELS = 64
"""Most channels that are believed."""

_LARGEST = 1 << 20  # frames of a block
_LOUDEST = 2.0**32  # magnitude of a sample
_PADDING = 4096  # samples that a coder may add at the end: two frames of AAC with half the rate
_LISTS = (b"#EXTM3U", b"ffconcat", b"v=0")  # what ffmpeg would follow to other files or, in vain, to the network
_SURE = 25  # of 100: ffmpeg's own threshold for a guess at a format that it looks at again
_LOSSLESS = re.compile(r"pcm_[suf]\d.*|alac|flac|ape|wavpack|tta|tak|mlp|truehd|wmalossless|shorten|mp4als|ralf")
_TAGS = {
    **{name: name for name in ("title", "artist", "album", "date", "genre", "comment", "copyright")},
    "track": "tracknumber",
}
"""ffmpeg's names of text tags, and those that they have here."""


class FfmpegReader:
    """Opens whatever ffmpeg decodes.

    Raises:
        MissingDependency: there is no ffmpeg.
    """

    def __init__(self, options: Options | None = None) -> None:
        self._ffmpeg, self._ffprobe = programs.find()

    def open(self, path: Path) -> FfmpegSource:
        """Open a file.

        Raises:
            InputError: it is not audio, holds none, claims an absurd rate or channel count, or may not be read.
        """
        _refuse_unless_file(path)
        return FfmpegSource(self._ffmpeg, path, programs.probe(self._ffprobe, path))


class FfmpegSource(AbstractContextManager["FfmpegSource"]):
    """The first sound track of one file. Each pass over `blocks` runs ffmpeg anew."""

    damage: str | None = None

    def __init__(self, ffmpeg: str, path: Path, probed: Mapping[str, Any]) -> None:
        self._ffmpeg, self._path = ffmpeg, path
        self.info = _describe(probed)
        self._filters = _unchanging(probed["streams"][0], self.info.rate)

    def __exit__(self, *_: object) -> None:
        """Close; nothing is held open between passes."""

    def blocks(self, frames: int) -> Iterator[Tensor]:
        """Yield contiguous float32 `[channel, time]` blocks of at most `frames` samples, from the first one.

        Samples that are NaN, infinite or beyond ±2³² come as 0. `damage` then says so, and what else was wrong.

        Raises:
            InputError: nothing in it can be decoded.
        """
        self.damage = None
        position = invalid = 0
        with programs.decode(self._ffmpeg, self._path, self._filters) as decoding:
            size = 4 * self.info.channels
            raw = iter(lambda: decoding.samples.read(size * min(frames, _LARGEST)), b"")
            whole = (np.frombuffer(data, "<f4", len(data) // size * self.info.channels) for data in raw)
            samples = (data.reshape(-1, self.info.channels) for data in whole)
            for block in samples if self.info.frames is None else _without_padding(samples, self.info.frames):
                valid = np.abs(block) <= _LOUDEST
                position += len(block)
                invalid += int(np.count_nonzero(~valid))
                yield torch.from_numpy(np.ascontiguousarray(np.where(valid, block, np.float32(0)).T))
            complaint = decoding.complaint()
        if not position:
            raise InputError(f"ffmpeg cannot decode it: {complaint}" if complaint else "it holds no audio")
        self.damage = self._verdict(position, invalid, complaint)

    def _verdict(self, read: int, invalid: int, complaint: str | None) -> str | None:
        """Everything that is wrong, in one sentence."""
        promised, rate = self.info.frames, self.info.rate
        faults = []
        if promised is not None and read < promised:
            faults.append(f"it ends after {read / rate:.3f} s of {promised / rate:.3f} s")
        if complaint:
            faults.append(f"ffmpeg says: {complaint}")
        if invalid:
            faults.append(f"{invalid:,} samples were not numbers from −2³² to 2³² and were set to 0")
        return "; ".join(faults) or None


def _refuse_unless_file(path: Path) -> None:
    try:
        about = path.stat()
        if stat.S_ISDIR(about.st_mode):
            raise InputError("it is a folder, not an audio file")
        if not stat.S_ISREG(about.st_mode):
            raise InputError("it is not a regular file, and a source is read more than once")
        if not about.st_size:
            raise InputError("it is empty")
        with path.open("rb") as file:
            head = file.read(1024)
        if head.startswith(_LISTS) or b"<MPD" in head or b"<CompositionPlaylist" in head:
            raise InputError("it is a playlist, not audio")
    except FileNotFoundError as error:
        raise InputError("it does not exist") from error
    except PermissionError as error:
        raise InputError("permission to read it is denied") from error
    except OSError as error:
        raise InputError(f"it cannot be opened: {error.strerror or error}") from error
    except ValueError as error:  # a name with a null character
        raise InputError("its name is not a file name") from error


def _describe(probed: Mapping[str, Any]) -> AudioInfo:
    container, streams = probed.get("format", {}), probed.get("streams")
    if container.get("probe_score", 0) < _SURE:
        raise InputError("ffmpeg cannot read it: it is not audio")
    if not streams:
        raise InputError("it holds no sound track")
    stream = streams[0]
    rate, channels, codec = int(stream.get("sample_rate", 0)), int(stream.get("channels", 0)), stream.get("codec_name")
    if codec is None:
        raise InputError("ffmpeg does not know the coding of its sound track")
    if not rate or not channels:
        raise InputError("ffmpeg finds no audio in it that can be decoded")
    if rate not in RATES:
        raise InputError(f"its header claims a sample rate of {rate:,} Hz; 1,000 to 768,000 Hz can be true")
    if channels > CHANNELS:
        raise InputError(f"it has {channels:,} channels; at most {CHANNELS} are read")
    bits = _bits(stream) if _LOSSLESS.fullmatch(codec) else None
    coding = stream.get("codec_long_name", codec)
    return AudioInfo(
        rate=rate,
        channels=channels,
        frames=_frames(stream, container.get("format_name", ""), rate),
        format=f"{container.get('format_long_name', 'unknown')}, {coding}{f', {bits}-bit' if bits else ''}",
        bits=bits,
        floating=bits is not None and stream.get("sample_fmt", "").startswith(("flt", "dbl")),
        tags=_tags({**container.get("tags", {}), **stream.get("tags", {})}),
    )


def _bits(stream: Mapping[str, Any]) -> int | None:
    told = int(stream.get("bits_per_raw_sample", 0)) or int(stream.get("bits_per_sample", 0))
    return told or {"u8": 8, "s16": 16, "s32": 32, "flt": 32, "dbl": 64}.get(stream.get("sample_fmt", "").rstrip("p"))


def _frames(stream: Mapping[str, Any], container: str, rate: int) -> int | None:
    """The exact length: MP4 and its kin count in samples; what others say is rounded, or a guess by the bit rate."""
    if "mp4" not in container.split(",") or stream.get("start_pts") != 0:
        return None
    samples = rate * Fraction(stream.get("time_base", "0/1"))  # in a tick; 2 where AAC has half the rate in its core
    return int(samples * stream["duration_ts"]) or None if samples in (1, 2) and "duration_ts" in stream else None


def _tags(said: Mapping[str, str]) -> dict[str, tuple[str]]:
    named = {_TAGS[name.lower()]: text.strip() for name, text in said.items() if name.lower() in _TAGS}
    return {name: (text,) for name, text in named.items() if text}


def _unchanging(stream: Mapping[str, Any], rate: int) -> str:
    """The filter that keeps rate and channels as the first packet has them, where a broadcast changes them midway."""
    layout = stream.get("channel_layout", "")
    known = f":channel_layouts={layout}" if re.fullmatch(r"[\w.()]+", layout) and layout != "unknown" else ""
    return f"aformat=sample_fmts=flt:sample_rates={rate}{known}"


def _without_padding(blocks: Iterator[NDArray[np.float32]], length: int) -> Iterator[NDArray[np.float32]]:
    """Leave out what comes after `length`; but if that is more than a coder adds, the length is wrong and all is kept."""
    position, held = 0, list[NDArray[np.float32]]()
    for block in blocks:
        inside = max(0, min(len(block), length - position))
        position += len(block)
        if inside:
            yield block[:inside]
        if inside < len(block):
            held.append(block[inside:])
        if position - length > _PADDING:
            yield from held
            held.clear()
