"""Reads audio files through libsndfile, damaged ones as far as they can be decoded.

64-bit float and 32-bit integer samples become float32, like all others: 24 bits of precision.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile as sf
import torch
from numpy.typing import NDArray
from torch import Tensor

from upscaler_core import AudioInfo, InputError, Options
from upscaler_core.dsp import default_layout
from upscaler_files.channels import VORBIS_ORDER, layout_of_mask
from upscaler_files.guarded_file import WHOLE, GuardedFile, Patch
from upscaler_files.structure import Part, structure_of

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

    def __init__(self, path: Path) -> None:
        self._path = path
        self._structure = structure = structure_of(path)
        with _Decoder(path, structure.parts[0].patch) as decoder:
            first = (decoder.sound.samplerate, decoder.sound.channels)
            self._order = _order(decoder.sound, structure.mask)
            texts = decoder.sound.copy_metadata()
            if not texts and structure.parts[0].patch != WHOLE:
                texts = _texts(path)
            self.info = _describe(decoder.sound, texts, structure.mask)
        self._parts = [(part, frames) for part, frames in _lengths(path, structure.parts, first) if frames is not None]
        left_out = len(structure.parts) - len(self._parts)
        if left_out:
            others = "1 part" if left_out == 1 else f"{left_out:,} parts"
            structure.losses.append(
                f"{others} of it with another rate or number of channels cannot be read with the rest"
            )
        if len(self._parts) > 1 or structure.parts[0].lost:
            frames = sum(part.lost + frames for part, frames in self._parts)
            self.info = replace(self.info, frames=frames if frames < _UNKNOWN else None)
        self.damage: str | None = "; ".join(structure.losses) or None
        self.silenced = 0

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
        self.silenced = position = 0
        frames, broken = min(frames, _LARGEST), False
        for part, length in self._parts:
            decoded = _DecodedPart(self._path, part, length, last=part is self._parts[-1][0])
            for samples in decoded.pieces(frames):
                position += len(samples)
                yield torch.from_numpy(np.ascontiguousarray(samples.T[self._order]))
            self.silenced += decoded.silent
            broken = broken or decoded.broken
        if position == self.silenced:
            raise InputError("it holds no audio that can be decoded")
        self.damage = self._verdict(position, broken)

    def _verdict(self, read: int, broken: bool) -> str | None:
        """Everything that is wrong, in one sentence; None where nothing is."""
        promised, rate = self.info.frames, self.info.rate
        faults = []
        if promised is not None and read < promised:
            faults.append(f"it ends after {read / rate:.3f} s of {promised / rate:.3f} s")
        elif promised is None and broken:
            faults.append(f"it cannot be decoded beyond {read / rate:.3f} s")
        faults += [*self._structure.faults, *self._structure.losses]
        if self.silenced:
            faults.append(f"{self.silenced / rate:.3f} s could not be decoded and are silent")
        return "; ".join(faults) or None


class _DecodedPart:
    """One pass over one part of a file.

    Args:
        path: the file.
        part: of it.
        length: samples that it holds, as far as it is known.
        last: whether no other part follows, whose place has to be kept.
    """

    def __init__(self, path: Path, part: Part, length: int, last: bool) -> None:
        self._path, self._part, self._length, self._last = path, part, length, last
        self.silent = 0
        """Samples that were replaced by silence."""
        self.broken = False
        """Whether the decoder failed."""

    def pieces(self, frames: int) -> Iterator[NDArray[np.float32]]:
        """Yield `[time, channel]`, at most `frames` samples each time."""
        decoder: _Decoder | None = _Decoder(self._path, self._part.patch, seeks=self._part.after is None)
        position, channels = 0, decoder.sound.channels if decoder else 0
        yield from self._silence(self._part.lost, channels, frames)
        try:
            while decoder is not None:
                samples, works = decoder.read(frames)
                if samples.size:
                    position += len(samples)
                    yield samples
                elif works:
                    break
                if not works:
                    self.broken = True
                    decoder.close()
                    decoder, gap = self._resume(position)
                    position += gap
                    yield from self._silence(gap, channels, frames)
        finally:
            if decoder is not None:
                decoder.close()

    def _silence(self, length: int, channels: int, frames: int) -> Iterator[NDArray[np.float32]]:
        self.silent += length
        for start in range(0, length, frames):
            yield np.zeros((min(frames, length - start), channels), np.float32)

    def _resume(self, position: int) -> tuple[_Decoder | None, int]:
        """A decoder that works again, and how many samples after `position` it begins; (None, 0) if there is none."""
        if self._part.after is not None:
            found = self._part.after(position + 1)
            if found is None:
                return None, 0 if self._last else max(0, self._length - position)
            return _Decoder(self._path, found[0], seeks=False), found[1] - position
        skip = _FIRST_SKIP
        while position + skip < self._length:
            try:
                return _Decoder(self._path, self._part.patch, position + skip), skip
            except InputError:
                skip *= 2
        return None, 0


def _lengths(path: Path, parts: Sequence[Part], first: tuple[int, int]) -> Iterator[tuple[Part, int | None]]:
    """Each part with the samples that it holds; None for one of another rate or number of channels, or that is damaged."""
    for index, part in enumerate(parts):
        try:
            with _Decoder(path, part.patch) as decoder:
                sound = decoder.sound
                fits = (sound.samplerate, sound.channels) == first and (sound.frames > 0 or index == 0)
                yield part, sound.frames if fits else None
        except InputError:
            yield part, None


def _order(sound: sf.SoundFile, mask: int | None) -> NDArray[np.intp] | slice:
    """Which of libsndfile's channels is which of ours."""
    vorbis = sound.subtype in ("VORBIS", "OPUS") and mask is None
    order = VORBIS_ORDER.get(sound.channels) if vorbis else None
    return slice(None) if order is None else np.argsort(order)


class _ForwardOnly(sf.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """A file in which soundfile does not seek after each read: that fails where a FLAC file's first frames are missing."""

    def seekable(self) -> bool:
        """False, whatever libsndfile says."""
        return False


class _Decoder(AbstractContextManager["_Decoder"]):
    """A file being decoded from sample `start` on, or, if it never `seeks`, from its beginning.

    An error in opening it is an `InputError`.
    """

    def __init__(self, path: Path, patch: Patch, start: int = 0, *, seeks: bool = True) -> None:
        self._file = path.open("rb")
        self._guarded = GuardedFile(self._file, patch)
        self._ended = False
        try:
            self.sound = (sf.SoundFile if seeks else _ForwardOnly)(self._guarded)
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


def _texts(path: Path) -> dict[str, str]:
    """The texts in a file as it is: a patch may leave them out."""
    try:
        with _Decoder(path, WHOLE) as decoder:
            texts: dict[str, str] = decoder.sound.copy_metadata()
            return texts
    except InputError:
        return {}


def _describe(sound: sf.SoundFile, texts: dict[str, str], mask: int | None) -> AudioInfo:
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
        tags={name: (value,) for name, value in texts.items() if value},
        layout=_layout(sound, mask),
    )


def _layout(sound: sf.SoundFile, mask: int | None) -> tuple[str, ...]:
    """The loudspeakers, as far as the file or its format says them."""
    if mask is None and (sound.format == "FLAC" or sound.subtype in ("VORBIS", "OPUS")):
        return default_layout(sound.channels)
    return layout_of_mask(mask or 0, sound.channels)
