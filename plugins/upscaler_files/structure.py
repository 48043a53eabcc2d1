"""What a file is made of: parts that are decoded one after the other, and what is wrong with them.

A file can hold several recordings one after the other: chained Ogg, joined MP3, FLAC, WAV and AIFF. libsndfile reads the
first one. So each part becomes a file of its own here, by a patch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from upscaler_core import InputError
from upscaler_files import flac_frames, headers, mpeg, ogg_pages
from upscaler_files.guarded_file import WHOLE, Patch

_MOST_PARTS = 10_000
"""Parts of a file that are read."""
_FLAC_BITS = 24
"""The most bits of a sample that libsndfile decodes."""


@dataclass(frozen=True)
class Part:
    """What is decoded by itself."""

    patch: Patch = WHOLE
    lost: int = 0
    """Samples that are missing in front of it, in place of which there is silence."""
    after: Callable[[int], tuple[Patch, int] | None] | None = None
    """Where decoding can go on at a sample or later; None where libsndfile can find the place itself."""


@dataclass(frozen=True)
class Structure:
    """The parts of a file, in order."""

    parts: list[Part] = field(default_factory=lambda: [Part()])
    faults: list[str] = field(default_factory=list)
    """What is wrong, but does not keep any audio from being read; sentences without a full stop."""
    losses: list[str] = field(default_factory=list)
    """What keeps audio from being read."""
    mask: int | None = None
    """The loudspeakers, as WAVE_FORMAT_EXTENSIBLE states them; None where the file says nothing beside its channel count."""


def structure_of(path: Path) -> Structure:
    """Look through a file.

    Raises:
        InputError: it is FLAC that libsndfile cannot decode.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        tag = mpeg.tag_length(file.read(32))
        file.seek(tag)
        magic = file.read(4)
        if magic == b"OggS":
            return _of_ogg(ogg_pages.read_pages(file))
        if magic == b"fLaC":
            return _of_flac(flac_frames.read_frames(file))
        if magic[:1] == b"\xff" or tag:
            return _of_mp3(mpeg.read_frames(file))
        return _of_chunks(file)


def _of_ogg(found: ogg_pages.OggFile) -> Structure:
    discrete = any(link.is_discrete for link in found.links)
    parts = [Part(link.patch) for link in found.links[:_MOST_PARTS]]
    structure = Structure(parts or [Part()], mask=0 if discrete else None)
    if not found.complete:
        structure.faults.append("it lacks its end mark, so it may be cut off")
    if found.lost:
        structure.losses.append(f"pages of it are damaged or missing: {found.lost:,}")
    return structure


def _of_flac(found: flac_frames.FlacFile) -> Structure:
    if found.bits > _FLAC_BITS:
        raise InputError(f"it is {found.bits}-bit FLAC, and up to {_FLAC_BITS} bits are read")
    mask = int(found.mask, 16) if found.mask else None
    if found.is_plain:
        return Structure([Part(after=run.after) for run in found.runs] or [Part()], mask=mask)
    structure = Structure([Part(run.patch, run.lost, run.after) for run in found.runs[:_MOST_PARTS]], mask=mask)
    if lost := sum(run.lost for run in found.runs):
        structure.losses.append(f"{lost:,} samples of it are missing")
    read = sum(run.frames + run.lost for run in found.runs)
    if found.promised and read > found.promised:
        more = read - found.promised
        structure.faults.append(f"its header leaves out {more:,} samples of audio, which were read too")
    return structure


def _of_mp3(found: mpeg.Mp3File) -> Structure:
    plain = not found.holes and [part.promised for part in found.parts] == [part.frames for part in found.parts[:1]]
    structure = Structure(
        [Part()] if plain or not found.parts else [Part(part.patch) for part in found.parts[:_MOST_PARTS]]
    )
    if found.holes:
        places = _count(found.holes, "place")
        structure.losses.append(f"{found.left_out:,} bytes in {places} of it are no MP3 audio and were left out")
    return structure


def _of_chunks(file: BinaryIO) -> Structure:
    structure, begin = Structure([]), 0
    while len(structure.parts) < _MOST_PARTS:
        header = headers.read_header(file, begin)
        structure.parts.append(Part(header.patch))
        structure = replace(structure, mask=structure.mask or header.mask or None)
        if header.missing:
            missing = f"it is cut off: {header.missing:,} bytes of audio that its header promises are missing"
            structure.faults.append(missing)
        if header.unstated:
            unstated = f"its header leaves out {header.unstated:,} bytes of audio, which were read too"
            structure.faults.append(unstated)
        if header.joined is None:
            break
        begin = header.joined
    return structure


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
