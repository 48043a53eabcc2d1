"""The length in a file's header, where libsndfile handles it badly.

If a header promises more audio than there is, libsndfile silently reads what is there. If it promises less, because its
32 bits have wrapped around or were never brought up to date, libsndfile leaves the rest out. It takes a file whose length
was never written, because it went through a pipe or the recorder died, for an empty one. And it refuses a CAF file that is
cut off. So the chunk headers are read here once more: RIFF, RIFX, RF64, Wave64, AIFF, IFF, CAF and Sun AU.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

from upscaler_files.guarded_file import WHOLE, Patch

_MOST_CHUNKS = 10_000  # before the audio; a file of zeros would be a chunk every eight bytes
_LONGEST_PREFIX = 1 << 24  # bytes of a header that is replaced
_AUDIO = (b"data", b"SSND", b"BODY")
_AFTER_AUDIO = {
    *(
        b"LIST",
        b"list",
        b"id3 ",
        b"ID3 ",
        b"bext",
        b"cue ",
        b"smpl",
        b"iXML",
        b"axml",
        b"JUNK",
        b"junk",
        b"fact",
        b"PEAK",
    ),
    *(
        b"inst",
        b"plst",
        b"ltxt",
        b"levl",
        b"umid",
        b"afsp",
        b"_PMX",
        b"LGWV",
        b"DISP",
        b"acid",
        b"FLLR",
        b"PAD ",
        b"minf",
    ),
    *(
        b"elm1",
        b"regn",
        b"chna",
        b"link",
        b"cart",
        b"mext",
        b"qlty",
        b"slnt",
        b"labl",
        b"note",
        b"strc",
        b"aXML",
        b"SNDM",
    ),
    *(
        b"MARK",
        b"INST",
        b"COMT",
        b"NAME",
        b"AUTH",
        b"(c) ",
        b"ANNO",
        b"APPL",
        b"MIDI",
        b"AESD",
        b"SAXL",
        b"FVER",
        b"COMM",
    ),
    *(
        b"CHAN",
        b"info",
        b"uuid",
        b"mark",
        b"strg",
        b"pakt",
        b"free",
        b"kuki",
        b"chan",
        b"edct",
        b"summ",
        b"bexz",
        b"r64m",
    ),
}
"""Chunks that stand behind the audio in files of this kind: even a last one that is cut off is known by its name."""
_FILES = {b"RIFF": b"WAVE", b"RF64": b"WAVE", b"RIFX": b"WAVE", b"FORM": b"AIF", b"riff": b""}
"""The beginnings of complete files, and what follows the length there."""
_OTHER_TAGS = (b"TAG", b"ID3", b"APETAGEX", b"LYRICS")
_FIRST_CHUNK = {b"riff": 40, b"caff": 8}  # bytes before it, where they are not 12
_TAIL = 1 << 20  # bytes at the end in which chunks behind the audio are looked for
_PADDING = 1 << 16  # zeros behind the audio that are no audio
_LEAST = 1_024  # bytes behind the audio that may be audio
_ROUND = 4_096  # placeholders are often multiples of it


@dataclass(frozen=True)
class Header:
    """What a file's header says about its audio, beside what is there."""

    patch: Patch = WHOLE
    """Shows libsndfile the right length; empty where it gets it right by itself."""
    missing: int = 0
    """Bytes of audio that the header promises and the file lacks."""
    unstated: int = 0
    """Bytes of audio that are there although the header does not state them. They are read."""
    mask: int = 0
    """The loudspeakers of a WAVE_FORMAT_EXTENSIBLE, a bit each; 0 where it names none."""
    joined: int | None = None
    """Where a second complete file begins in this one; None where none does."""


@dataclass(frozen=True)
class _Audio:
    """The chunk that holds the audio."""

    start: int
    length: int
    """As stated, bytes."""
    field: tuple[int, int]
    """Where the length stands, and how many bytes it has."""
    frame: int
    """Bytes of a sample of all channels; 0 where it is not known."""
    mask: int

    @property
    def end(self) -> int:
        return self.start + self.length


def read_header(file: BinaryIO, begin: int = 0) -> Header:
    """Compare what the header at `begin` says with what is there.

    One missing byte does not count: writers disagree on whether the pad byte of an odd chunk counts.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(begin)
    head = file.read(40)
    audio = _find_audio(file, head, begin, size)
    if audio is None:
        return Header(Patch(skip=begin))
    rest = _Rest(file, head, audio, size)
    if rest.length_is_unknown:
        return Header(_with_length(file, head, begin, audio, rest.end - audio.start), mask=audio.mask)
    if rest.joined is not None:
        return Header(Patch(ranges=((begin, rest.joined),)), mask=audio.mask, joined=rest.joined)
    if audio.end > size + 1:
        patch = _with_length(file, head, begin, audio, size - audio.start) if head[:4] == b"caff" else Patch(skip=begin)
        return Header(patch, audio.end - size, mask=audio.mask)
    if rest.is_audio:
        patch = _with_length(file, head, begin, audio, rest.end - audio.start)
        return Header(patch, unstated=rest.end - audio.end, mask=audio.mask)
    return Header(Patch(skip=begin), mask=audio.mask)


class _Rest:
    """What follows where the audio ends, according to the header."""

    def __init__(self, file: BinaryIO, head: bytes, audio: _Audio, size: int) -> None:
        self._file, self._head, self._audio, self._size = file, head, audio, size

    @property
    def length_is_unknown(self) -> bool:
        """Whether the length in the header is a placeholder, as programs write it that write into a pipe.

        That is nothing, or a number near the largest one that its field takes. A recording that really is so long, and
        was cut off, is told from it: it is a whole number of frames, not a round number, and half of it is there.
        """
        audio = self._audio
        if self._head[:4] == b"caff":
            return audio.length >= 1 << 63
        if audio.length == 0:
            return not self._begins_with_chunks(audio.start)
        widest = (1 << 31, 1 << 32) if audio.field[1] == 4 else (1 << 32, 1 << 63, 1 << 64)
        if not any(limit - (limit >> 6) <= audio.length <= limit for limit in widest) or audio.end <= self._size:
            return False
        whole = audio.length % (audio.frame or 1) == 0 and audio.length % _ROUND != 0
        return not (whole and audio.end < 2 * self._size) or audio.length in (0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)

    @property
    def is_audio(self) -> bool:
        """Whether the audio goes on, and not with chunks, with the tags of other formats, or with a few zeros."""
        audio, count = self._audio, self._size - self._audio.end
        if count < _LEAST or self._begins_with_chunks(audio.end):
            return False
        self._file.seek(audio.end)
        first = self._file.read(_PADDING)
        return not first.startswith(_OTHER_TAGS) and (count > _PADDING or any(first))

    @property
    def end(self) -> int:
        """Where the audio ends in truth: before the chunks at the end of the file."""
        start = max(self._audio.start, self._size - _TAIL)
        self._file.seek(start)
        tail = self._file.read(_TAIL)
        found = (tail.find(name) for name in _AFTER_AUDIO)
        places = sorted(start + place for place in found if place >= 0)
        return next((place for place in places if self._is_chunks(place)), self._size)

    @property
    def joined(self) -> int | None:
        """Where, right behind this file's chunks, another file begins that was appended."""
        for name, start, _ in self._chunks_behind(self._audio.end):
            if name in _FILES:
                self._file.seek(start)
                return start - 8 if self._file.read(4).startswith(_FILES[name]) and name != b"riff" else None
            if not _is_name(name):
                break
        return None

    def _begins_with_chunks(self, position: int) -> bool:
        """Whether the rest of the file is chunks, or at least begins with one that is known."""
        return any(
            self._is_chunks(place) or next((c[0] for c in self._chunks_at(place)), b"") in _AFTER_AUDIO
            for place in {position, position + position % 2}
        )

    def _chunks_behind(self, position: int) -> Iterator[tuple[bytes, int, int]]:
        """The chunks after the audio, whether or not a pad byte follows it."""
        for place in (position + (position - self._audio.start) % 2, position):
            first = next(self._chunks_at(place), None)
            if first and _is_name(first[0]):
                yield from self._chunks_at(place)
                return

    def _is_chunks(self, position: int) -> bool:
        """Whether only named chunks are between `position` and the end. Only a known one may be cut off there."""
        for name, start, length in self._chunks_at(position):
            if not _is_name(name) or (start + length > self._size + 1 and name not in _AFTER_AUDIO):
                return False
            position = start + length + length % 2
        return position >= self._size

    def _chunks_at(self, position: int) -> Iterator[tuple[bytes, int, int]]:
        return ((name, start, length) for name, start, length in _chunks(self._file, self._head, self._size, position))


def _is_name(name: bytes) -> bool:
    return len(name) == 4 and all(32 <= byte < 127 for byte in name)


def _find_audio(file: BinaryIO, head: bytes, begin: int, size: int) -> _Audio | None:
    if head[:4] in (b".snd", b"dns.") and len(head) >= 12:
        start, length = struct.unpack(">II" if head[:4] == b".snd" else "<II", head[4:12])
        return _Audio(begin + start, length, (begin + 8, 4), 0, 0)
    order: Literal["big", "little"] = "big" if head[:4] == b"RIFX" else "little"
    wide: tuple[int, int] | None = None  # RF64 keeps the true length in its ds64 chunk: its place and value
    frame = mask = 0
    for name, start, length in _chunks(file, head, size, begin + _FIRST_CHUNK.get(head[:4], 12)):
        if name == b"ds64":
            file.seek(start + 8)
            wide = start + 8, int.from_bytes(file.read(8), "little")
        elif name == b"fmt ":
            file.seek(start)
            form = file.read(24)
            frame = int.from_bytes(form[12:14], order)
            mask = int.from_bytes(form[20:24], order) if int.from_bytes(form[:2], order) == 0xFFFE else 0
        elif name in _AUDIO:
            if wide is not None and length == 0xFFFFFFFF:
                return _Audio(start, wide[1], (wide[0], 8), frame, mask)
            width = 8 if head[:4] in (b"riff", b"caff") else 4
            return _Audio(start, length, (start - width, width), frame, mask)
    return None


def _with_length(file: BinaryIO, head: bytes, begin: int, audio: _Audio, length: int) -> Patch:
    """The patch that states the true length of the audio."""
    if audio.start - begin > _LONGEST_PREFIX:
        return Patch(skip=begin)
    file.seek(begin)
    prefix = bytearray(file.read(audio.start - begin))
    (position, width), largest = audio.field, 0xFFFFFFFF
    if head[:4] == b"riff":
        length += 24  # in Wave64 a chunk's own header counts
    if width == 4 and length >= largest:
        if head[:4] == b"RIFF":
            prefix[position - begin : position - begin + 4] = largest.to_bytes(4, "little")
            wide = struct.pack(
                "<4sIQQQI", b"ds64", 28, audio.start + length + 28, length, length // max(audio.frame, 1), 0
            )
            return Patch(b"RF64" + largest.to_bytes(4, "little") + b"WAVE" + wide + bytes(prefix[12:]), audio.start)
        length = 0 if head[:4] == b"FORM" else largest  # libsndfile takes these for "to the end"
    order: Literal["big", "little"] = "big" if head[:4] in (b"RIFX", b"FORM", b"caff", b".snd") else "little"
    prefix[position - begin : position - begin + width] = length.to_bytes(width, order)
    return Patch(bytes(prefix), audio.start)


def _chunks(file: BinaryIO, head: bytes, size: int, position: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield (name, position of the contents, their length) of an IFF-like file's chunks, from `position` on."""
    if head[:4] in (b"RIFF", b"RF64"):
        layout, align = "<4sI", 2
    elif head[:4] in (b"RIFX", b"FORM"):
        layout, align = ">4sI", 2
    elif head[:4] == b"riff":  # Wave64: names of 16 bytes, lengths that include the chunk's own header
        layout, align = "<16sQ", 8
    elif head[:4] == b"caff":
        layout, align = ">4sQ", 1
    else:
        return
    width = struct.calcsize(layout)
    for _ in range(_MOST_CHUNKS):
        if position + width > size:
            return
        file.seek(position)
        name, length = struct.unpack(layout, file.read(width))
        contents = max(0, length - width) if align == 8 else length
        yield name[:4], position + width, contents
        position += width + contents + -contents % align
