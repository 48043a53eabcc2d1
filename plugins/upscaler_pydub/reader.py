"""Reads audio through ffmpeg, as 32-bit floats and block by block.

pydub only says which ffmpeg to run. Its `AudioSegment` holds the complete file in memory, and as integers, which would cut
off float and lossy sources at full scale. So the samples come straight through a pipe.

A lossy coder delays the signal and pads its end. Where the file states this, it is corrected: by the edit list of M4A, MP4
and MOV, and by the delay of Opus in MKV and WebM. Where the file states nothing, the coder's delay stays at the beginning.
As ffmpeg writes them, it is 1024 samples for AAC that is bare or in MKV, MPEG-TS or fragmented MP4, 256 for AC-3, 512 for
DTS, 1105 for MP3 in AVI. WMA by ffmpeg's own coder begins 2048 samples late at 44.1 kHz: its decoder drops more than that
coder adds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from upscaler_core import AudioInfo, InputError, Options
from upscaler_core.plugins import Chapter, Picture
from upscaler_pydub import layouts, programs

RATES = range(1_000, 768_001)
"""Sample rates that a header can truly state, Hz."""
CHANNELS = 64
"""The most channels that are read."""

_LARGEST = 1 << 20  # frames of a block
_PADDING = 4096  # samples that a coder may add at the end: two frames of AAC with half the rate
_LISTS = (b"#EXTM3U", b"ffconcat", b"v=0")  # ffmpeg would open the files and addresses in them
_SURE = 25  # of 100: below this score ffmpeg itself takes its guess of a format for uncertain
_LOSSLESS = re.compile(r"pcm_[suf]\d.*|alac|flac|ape|wavpack|tta|tak|mlp|truehd|wmalossless|shorten|mp4als|ralf")
_BASIC = ("title", "artist", "album", "date", "genre", "comment", "copyright", "track")
"""The texts that are taken from a file whose tags the core reads by itself."""
_READ_BY_THE_CORE = {"mp4", "asf", "ape", "wv", "mpc", "mpc8", "tak", "tta", "mp3", "flac", "ogg", "dsf", "wav", "aiff"}
_OF_THE_FILE = re.compile(
    r"(major|compatible)_brands?|minor_version|creation_time|handler_name|vendor_id|encoder|duration|bps|number_of_.*"
    r"|_statistics_.*|language|timecode|source_id"
)
"""Texts of ffmpeg's that describe the file, not the recording."""


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
            InputError: it is not audio, holds none, or claims an absurd rate or channel count.
            OSError: it cannot be read.
        """
        _refuse_playlists(path)
        probed, unedited = programs.probe(self._ffprobe, path), None
        if "mp4" in probed.get("format", {}).get("format_name", "").split(","):
            unedited = programs.probe(self._ffprobe, path, "-ignore_editlist", "1")
        source = FfmpegSource(self._ffmpeg, path, probed, unedited)
        if "matroska" in probed.get("format", {}).get("format_name", ""):
            attached = programs.pictures(self._ffmpeg, self._ffprobe, path)
            source.info = replace(source.info, pictures=tuple(_picture(name, data) for name, data in attached))
        return source


class FfmpegSource(AbstractContextManager["FfmpegSource"]):
    """The first sound track of one file. Each pass over `blocks` runs ffmpeg anew."""

    damage: str | None = None

    def __init__(self, ffmpeg: str, path: Path, probed: Mapping[str, Any], unedited: Mapping[str, Any] | None) -> None:
        self._ffmpeg, self._path = ffmpeg, path
        self.info = _describe(probed, unedited)
        self._filters = _unchanging(probed["streams"][0], self.info.rate)

    def __exit__(self, *_: object) -> None:
        """Close; no process runs between passes."""

    def blocks(self, frames: int) -> Iterator[Tensor]:
        """Yield contiguous float32 `[channel, time]` blocks of at most `frames` samples, from the first one.

        `damage` then describes what was wrong.

        Raises:
            InputError: nothing in it can be decoded.
        """
        self.damage = None
        position = 0
        with programs.decode(self._ffmpeg, self._path, self._filters) as decoding:
            size = 4 * self.info.channels
            raw = iter(lambda: decoding.samples.read(size * min(frames, _LARGEST)), b"")
            interleaved = (np.frombuffer(data, "<f4", len(data) // size * self.info.channels) for data in raw)
            samples = (data.reshape(-1, self.info.channels) for data in interleaved)
            for block in samples if self.info.frames is None else _without_padding(samples, self.info.frames):
                position += len(block)
                # A copy, because bytes from the pipe are read-only.
                yield torch.from_numpy(np.array(block.T, order="C"))
            complaint = decoding.complaint()
        if not position:
            raise InputError(f"ffmpeg cannot decode it: {complaint}" if complaint else "it holds no audio")
        self.damage = self._verdict(position, complaint)

    def _verdict(self, read: int, complaint: str | None) -> str | None:
        """Everything that is wrong, in one sentence; None where nothing is."""
        promised, rate = self.info.frames, self.info.rate
        faults = []
        if promised is not None and read < promised:
            faults.append(f"it ends after {read / rate:.3f} s of {promised / rate:.3f} s")
        if complaint:
            faults.append(f"ffmpeg says: {complaint}")
        return "; ".join(faults) or None


def _refuse_playlists(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(1024)
    if head.startswith(_LISTS) or b"<MPD" in head or b"<CompositionPlaylist" in head:
        raise InputError("it is a playlist, not audio")


def _describe(probed: Mapping[str, Any], unedited: Mapping[str, Any] | None) -> AudioInfo:
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
    while codec.startswith("dsd_") and rate not in RATES and rate > 0:  # ffmpeg makes an eighth of DSD's bit rate of it
        rate //= 2
    if rate not in RATES:
        raise InputError(f"its header claims a sample rate of {rate:,} Hz; 1,000 to 768,000 Hz can be true")
    if channels > CHANNELS:
        raise InputError(f"it has {channels:,} channels; at most {CHANNELS} are read")
    bits = _bits(stream) if _LOSSLESS.fullmatch(codec) else None
    coding = stream.get("codec_long_name", codec)
    return AudioInfo(
        rate=rate,
        channels=channels,
        frames=_frames(probed, unedited, rate) if unedited else None,
        format=f"{container.get('format_long_name', 'unknown')}, {coding}{f', {bits}-bit' if bits else ''}",
        bits=bits,
        floating=bits is not None and stream.get("sample_fmt", "").startswith(("flt", "dbl")),
        tags=_tags(probed),
        layout=layouts.speakers(stream.get("channel_layout", ""), channels),
        chapters=_chapters(probed),
    )


def _bits(stream: Mapping[str, Any]) -> int | None:
    stated = int(stream.get("bits_per_raw_sample", 0)) or int(stream.get("bits_per_sample", 0))
    return stated or {"u8": 8, "s16": 16, "s32": 32, "flt": 32, "dbl": 64}.get(stream.get("sample_fmt", "").rstrip("p"))


def _frames(probed: Mapping[str, Any], unedited: Mapping[str, Any], rate: int) -> int | None:
    """The exact length. MP4 and its relatives count in samples; other lengths are rounded, or guessed by the bit rate.

    The edit list leaves out the coder's delay and padding, but ffmpeg's own writer rounds it to 1 ms. Where it ends within
    1 ms of the track's own end, the track's end is the true one.
    """
    stream, track = probed["streams"][0], unedited["streams"][0]
    if stream.get("start_pts") != 0 or "duration_ts" not in stream:
        return None
    tick = Fraction(stream.get("time_base", "0/1"))  # seconds
    length = stream["duration_ts"]
    end = track.get("duration_ts", 0) + probed["packets"][0].get("pts", 0)
    if abs(end - length) * tick < Fraction(1, 1000):
        length = end
    samples = rate * tick  # 2 where AAC has half the rate in its core
    return int(samples * length) or None if samples in (1, 2) else None


def _tags(probed: Mapping[str, Any]) -> dict[str, tuple[str]]:
    """The texts of a file and its sound track, by ffmpeg's names, which the core makes uniform."""
    container = probed.get("format", {})
    known = _READ_BY_THE_CORE.intersection(container.get("format_name", "").split(","))
    texts = {**container.get("tags", {}), **probed["streams"][0].get("tags", {})}
    named = {name.lower(): text.strip() for name, text in texts.items()}
    return {
        name: (text,)
        for name, text in named.items()
        if text and (name in _BASIC if known else not _OF_THE_FILE.fullmatch(name))
    }


def _picture(name: str, data: bytes) -> Picture:
    """A picture attached to a Matroska file. By that format's rules the front cover is called `cover.…`."""
    return Picture("", 3 if re.match(r"(small_)?cover", name) else 0, "", data)


def _chapters(probed: Mapping[str, Any]) -> tuple[Chapter, ...]:
    return tuple(
        Chapter(float(each["start_time"]), each.get("tags", {}).get("title", ""), float(each["end_time"]))
        for each in probed.get("chapters", ())
    )


def _unchanging(stream: Mapping[str, Any], rate: int) -> str:
    """The filter that keeps the first packet's rate and channels, where a broadcast changes them midway."""
    layout = stream.get("channel_layout", "")
    known = f":channel_layouts={layout}" if re.fullmatch(r"[\w.()]+", layout) and layout != "unknown" else ""
    return f"aformat=sample_fmts=flt:sample_rates={rate}{known}"


def _without_padding(blocks: Iterator[NDArray[np.float32]], length: int) -> Iterator[NDArray[np.float32]]:
    """Drop what comes after `length`. But if that is more than a coder adds, the length is wrong, and nothing is dropped."""
    position, padding = 0, list[NDArray[np.float32]]()
    for block in blocks:
        inside = max(0, min(len(block), length - position))
        position += len(block)
        if inside:
            yield block[:inside]
        if inside < len(block):
            padding.append(block[inside:])
        if position - length > _PADDING:
            yield from padding
            padding.clear()
