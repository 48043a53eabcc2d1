"""Reads audio files through libsndfile, damaged ones as far as they can be decoded.

64-bit float and 32-bit integer samples become float32, like all others: 24 bits of precision.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import soundfile as sf
import torch
from numpy.typing import NDArray
from torch import Tensor

from upscaler_core import AudioInfo, InputError, Options
from upscaler_files.channels import VORBIS_ORDER
from upscaler_files.guarded_file import GuardedFile, Patch
from upscaler_files.headers import lacks_end_mark, length_filled_in, missing_bytes
from upscaler_files.mpeg import count_filled_in

RATES = range(1_000, 768_001)
"""Sample rates that a header can truly state, Hz."""
CHANNELS = 64
"""The most channels that are read."""

_LARGEST = 1 << 20  # frames of a block, so that a larger request does not fill the memory
_FIRST_SKIP = 4096  # frames that are skipped, and then doubled, in search of what can be decoded after a fault
_UNKNOWN = 1 << 62  # frames that libsndfile states for a FLAC stream of unknown length
_UNSEEKABLE = 39  # libsndfile's error beyond the end of a file of unknown length

_CONTAINERS = {"WAVEX": "WAV", "OGG": "Ogg", "SVX": "IFF", "NIST": "NIST Sphere"}


class SoundFileReader:
    """Opens audio files in any format that libsndfile recognises by its contents."""

    def __init__(self, options: Options | None = None) -> None: ...

    def open(self, path: Path) -> SoundFileSource:
        """Open a file.

        Raises:
            InputError: it is not audio, holds none, or claims an absurd rate or channel count.
            OSError: it cannot be read.
        """
        return SoundFileSource(path)


class SoundFileSource(AbstractContextManager["SoundFileSource"]):
    """One audio file. Each pass over `blocks` opens it anew, so that passes do not disturb each other."""

    damage: str | None = None

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            self._patch = length_filled_in(file)
            self._missing = missing_bytes(file)
            self._endless = lacks_end_mark(file)
            with _Decoder(path, self._patch) as decoder:
                text = decoder.sound.copy_metadata()
                if decoder.sound.format == "MP3":
                    self._patch = count_filled_in(file)
        with _Decoder(path, self._patch) as decoder:
            self.info = _describe(decoder.sound, text)
            order = VORBIS_ORDER.get(self.info.channels) if decoder.sound.format == "OGG" else None
        self._order = slice(None) if order is None else np.argsort(order)

    def __exit__(self, *_: object) -> None:
        """Close; no file is open between passes."""

    def blocks(self, frames: int) -> Iterator[Tensor]:
        """Yield contiguous float32 `[channel, time]` blocks of at most `frames` samples, from the first one.

        Where the decoder fails midway, silence replaces what it cannot decode, so that the rest keeps its place. `damage`
        then describes it.

        Raises:
            InputError: nothing in it can be decoded.
            OSError: the file cannot be read any more.
        """
        self.damage = None
        frames = min(frames, _LARGEST)
        position = silent = 0
        decoder: _Decoder | None = _Decoder(self._path, self._patch)
        broken = False
        try:
            while decoder is not None:
                samples, works = decoder.read(frames)
                if samples.size:
                    position += len(samples)
                    yield torch.from_numpy(np.ascontiguousarray(samples.T[self._order]))
                elif works:
                    break
                if not works:
                    broken = True
                    decoder.close()
                    decoder, gap = self._resume(position)
                    silent += gap
                    position += gap
                    for start in range(0, gap, frames):
                        yield torch.zeros(self.info.channels, min(frames, gap - start))
        finally:
            if decoder is not None:
                decoder.close()
        if position == silent:
            raise InputError("it holds no audio that can be decoded")
        self.damage = self._verdict(position, silent, broken)

    def _resume(self, position: int) -> tuple[_Decoder | None, int]:
        """A decoder that works again, and how many samples after `position` it begins; (None, 0) if there is none."""
        skip = _FIRST_SKIP
        while position + skip < (self.info.frames or 0):
            try:
                return _Decoder(self._path, self._patch, position + skip), skip
            except InputError:
                skip *= 2
        return None, 0

    def _verdict(self, read: int, silent: int, broken: bool) -> str | None:
        """Everything that is wrong, in one sentence; None where nothing is."""
        promised, rate = self.info.frames, self.info.rate
        faults = []
        if promised is not None and read < promised:
            faults.append(f"it ends after {read / rate:.3f} s of {promised / rate:.3f} s")
        elif promised is None and broken:
            faults.append(f"it cannot be decoded beyond {read / rate:.3f} s")
        if self._missing:
            faults.append(f"it is cut off: {self._missing:,} bytes of audio that its header promises are missing")
        if self._endless:
            faults.append("it lacks its end mark, so it may be cut off")
        if silent:
            faults.append(f"{silent / rate:.3f} s could not be decoded and are silent")
        return "; ".join(faults) or None


class _Decoder(AbstractContextManager["_Decoder"]):
    """A file being decoded from sample `start` on. An error in opening it is an `InputError`."""

    def __init__(self, path: Path, patch: Patch, start: int = 0) -> None:
        self._file = path.open("rb")
        self._guarded = GuardedFile(self._file, patch)
        self._ended = False
        try:
            self.sound = sf.SoundFile(self._guarded)
            if start:
                self.sound.seek(start)
            self._guarded.check()
        except sf.SoundFileError as error:
            self._file.close()
            self._guarded.check()
            raise InputError("it is not audio in a format that can be read, or its header is damaged") from error
        except BaseException:
            self._file.close()
            raise

    def read(self, frames: int) -> tuple[NDArray[np.float32], bool]:
        """Decode up to `frames` samples `[time, channel]`, and return whether the decoder still works.

        At the end a working decoder returns no samples.
        """
        # Where decoding fails, libsndfile has filled in what came before, and soundfile does not report how much that is.
        samples = np.full((min(frames, self.sound.frames), self.sound.channels), np.nan, np.float32)
        works, count = True, 0
        try:
            if not self._ended:
                count = len(self.sound.read(out=samples))
        except sf.SoundFileError as error:
            written = np.flatnonzero(~np.isnan(samples).all(axis=1))
            count = int(written[-1]) + 1 if written.size else 0
            works = self._ended = self.sound.frames >= _UNKNOWN and getattr(error, "code", None) == _UNSEEKABLE
        self._guarded.check()
        return samples[:count], works

    def close(self) -> None:
        """Close the file."""
        try:
            self.sound.close()
        finally:
            self._file.close()

    def __exit__(self, *_: object) -> None:
        self.close()


def _describe(sound: sf.SoundFile, text: dict[str, str]) -> AudioInfo:
    if sound.frames <= 0:
        raise InputError("it holds no audio")
    if sound.samplerate not in RATES:
        raise InputError(f"its header claims a sample rate of {sound.samplerate:,} Hz; 1,000 to 768,000 Hz can be true")
    if sound.channels > CHANNELS:
        raise InputError(f"it has {sound.channels:,} channels; at most {CHANNELS} are read")
    coding = re.sub(r"(\d+) bit", r"\1-bit", re.sub(r"^(Uns|S)igned ", "", sound.subtype_info))
    bits = re.fullmatch(r"(?:PCM_[SU]?|ALAC_|DWVW_)(\d+)", sound.subtype)
    floats = {"FLOAT": 32, "DOUBLE": 64}
    return AudioInfo(
        rate=sound.samplerate,
        channels=sound.channels,
        frames=sound.frames if sound.frames < _UNKNOWN else None,
        format=f"{_CONTAINERS.get(sound.format, sound.format)}, {coding}",
        bits=int(bits[1]) if bits else floats.get(sound.subtype),
        floating=sound.subtype in floats,
        tags={name: (value,) for name, value in text.items() if value},
    )
