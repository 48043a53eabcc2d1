"""Shards: tar archives of recordings, laid out as WebDataset has them, read where they lie.

A recording in a shard has the path `SHARD.tar/NAME`. What belongs to it has its name up to the first dot:
`speech/0001.json` says of `speech/0001.flac` what a row of a `manifest.csv` would.

WebDataset's own reader would take a member of whatever length its header claims into memory, run names that begin with
`pipe:` as commands, and unpickle. Python's tarfile finds the members, and their bytes are copied out one by one, under
no name of theirs.
"""

from __future__ import annotations

import json
import re
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import IO

from upscaler_core import InputError

SUFFIX = ".tar"
LONGEST_JSON = 1 << 20
COPIED = 1 << 20
"""Bytes at a time."""

_BLOCK = 512  # of a tar archive, bytes
_RANGE = re.compile(r"\{(\d{1,9})\.\.(\d{1,9})\}")


@dataclass(frozen=True)
class Shard:
    """What is in a shard."""

    members: Mapping[str, tuple[int, int]]
    """Where the bytes of each file are, and how many, by its name."""
    facts: Mapping[str, dict[str, str]]
    """What is known of each file that has a JSON beside it, by its name."""


def is_shard(path: Path) -> bool:
    """Whether a path is a shard."""
    return path.suffix.lower() == SUFFIX and path.is_file()


def shard_of(path: Path) -> Path | None:
    """The shard that a recording is in; None for a file of its own."""
    return next((folder for folder in path.parents if is_shard(folder)), None)


@cache
def open_shard(path: Path) -> Shard:
    """Find what is in a shard.

    Raises:
        InputError: it is damaged, or not such an archive.
    """
    try:
        with path.open("rb") as file:
            members = {_inside(path, info.name): (info.offset_data, info.size) for info in _files(file)}
            notes = {_key(name): _note(file, path, name, *members[name]) for name in members if name.endswith(".json")}
    except (tarfile.TarError, ValueError, OverflowError) as error:
        raise InputError(f"{path} is no whole tar archive: {error}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    return Shard(members, {name: notes[_key(name)] for name in members if _key(name) in notes})


def _files(file: IO[bytes]) -> Iterator[tarfile.TarInfo]:
    """The plain files: no links, and none that is longer than its bytes."""
    with tarfile.open(fileobj=file, mode="r:") as archive:
        for info in archive:
            if info.size < 0:  # tarfile would go back, and find it again for ever
                raise tarfile.ReadError(f"a length is {info.size:,}")
            if info.isreg() and not info.issparse():
                yield info
        file.seek(archive.offset)  # tarfile takes whatever is no header for the end
        if file.read(_BLOCK).strip(b"\0"):
            raise tarfile.ReadError(f"what is at byte {archive.offset:,} is no header")


def _inside(shard: Path, name: str) -> str:
    """A member's name without dots.

    Raises:
        InputError: it leads out of the shard.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise InputError(f"{shard} has a member whose name leads out of it: {name!r}")
    return path.as_posix()


def _key(name: str) -> str:
    """What the files of a sample have in common.

    >>> _key("a.b/0001.take2.flac")
    'a.b/0001'
    """
    folder, slash, file = name.rpartition("/")
    return folder + slash + file.partition(".")[0]


def _note(file: IO[bytes], shard: Path, name: str, offset: int, size: int) -> dict[str, str]:
    file.seek(offset)
    try:
        note = json.loads(file.read(min(size, LONGEST_JSON)))
        return {str(key): str(value) for key, value in note.items()}
    except (ValueError, AttributeError, RecursionError):
        raise InputError(f"{shard / name} is no JSON object of at most 1 MiB") from None


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """A recording as a file of its own, for a while where it is in a shard.

    Raises:
        InputError: it cannot be copied out.
    """
    shard = shard_of(path)
    if shard is None:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / f"recording{path.suffix}"
        try:
            _copy(shard, path.relative_to(shard).as_posix(), copy)
        except OSError as error:
            raise InputError(f"{path} cannot be copied out of its shard: {error.strerror or error}") from None
        try:
            yield copy
        except InputError as error:
            raise InputError(str(error).replace(str(copy), str(path))) from None


def _copy(shard: Path, name: str, target: Path) -> None:
    offset, left = open_shard(shard).members[name]
    with shard.open("rb") as source, target.open("wb") as copy:
        source.seek(offset)
        while block := source.read(min(left, COPIED)):
            left -= copy.write(block)


def expanded(pattern: str) -> Iterator[str]:
    """What a pattern with ranges, as WebDataset writes them, stands for.

    >>> list(expanded("music-{08..10}.tar"))
    ['music-08.tar', 'music-09.tar', 'music-10.tar']
    """
    span = _RANGE.search(pattern)
    if span is None:
        yield pattern
        return
    low, high = sorted(map(int, span.groups()))
    for number in range(low, high + 1):
        yield from expanded(f"{pattern[: span.start()]}{number:0{len(span[1])}}{pattern[span.end() :]}")
