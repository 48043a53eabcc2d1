"""The dataset on disk: files, folders and tar archives of recordings, and the table of what is known about them.

Tar archives are laid out as WebDataset has them, and are read in place. A recording in an archive has the path
`ARCHIVE.tar/NAME`. The files of one sample share their name up to the first dot: `speech/0001.json` says about
`speech/0001.flac` what a row of a `manifest.csv` would say.

WebDataset's own reader is not used. It would read a member of any length that its header claims into memory, run names
that begin with `pipe:` as commands, and unpickle members. Here, Python's tarfile finds the members, and their bytes are
copied out one by one. No file on disk gets a name from an archive.
"""

from __future__ import annotations

import csv
import json
import re
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import IO

from upscaler_core import InputError, Kind, Registry, UsageError
from upscaler_core.files import matching_paths, search_folder

TABLE = "manifest.csv"
"""The dataset table: a row for each recording in the folder or below it."""
SOURCE_COLUMNS = ("package", "source_package")
"""Columns that name a source. A table has one of them, or none."""
TAR_SUFFIX = ".tar"
MAX_JSON_BYTES = 1 << 20
"""A longer JSON file in an archive is refused."""
COPY_BYTES = 1 << 20
"""Bytes that are copied out of an archive at a time."""

_TAR_BLOCK = 512  # bytes, fixed by the tar format
_RANGE = re.compile(r"\{(\d{1,9})\.\.(\d{1,9})\}")


def find_recordings(patterns: Sequence[str], base: Path, registry: Registry) -> list[Path]:
    """The recordings that some patterns name, each once, sorted within a pattern.

    Args:
        patterns: files, folders and globs, with ranges such as `{00..09}`.
        base: the folder where relative patterns begin.
        registry: its readers say which file names are recordings.

    Raises:
        UsageError: a pattern names no recording.
        InputError: a tar archive cannot be read.
    """
    suffixes = {suffix for entry in registry.of(Kind.READER) for suffix in entry.component.suffixes}
    recordings: dict[Path, None] = {}
    for pattern in (name for with_ranges in patterns for name in _expanded(with_ranges, base)):
        files = _find_files(pattern, base, suffixes)
        matches = [path for file in files for path in _recordings_in(file, suffixes)]
        if not matches:
            raise UsageError(f"{base / pattern}: there is no audio file")
        recordings.update(dict.fromkeys(matches))
    return list(recordings)


def expand_ranges(pattern: str) -> Iterator[str]:
    """The names that a pattern with ranges, as WebDataset writes them, stands for.

    >>> list(expand_ranges("music-{08..10}.tar"))
    ['music-08.tar', 'music-09.tar', 'music-10.tar']
    """
    span = _RANGE.search(pattern)
    if span is None:
        yield pattern
        return
    low, high = sorted(map(int, span.groups()))
    for number in range(low, high + 1):
        yield from expand_ranges(f"{pattern[: span.start()]}{number:0{len(span[1])}}{pattern[span.end() :]}")


def _expanded(pattern: str, base: Path) -> Iterator[str]:
    """The names that a pattern with ranges stands for; itself if it exists as it is written."""
    yield from [pattern] if (base / pattern).exists() else expand_ranges(pattern)


def _find_files(pattern: str, base: Path, suffixes: Set[str]) -> list[Path]:
    """The recordings and tar archives that a file, a folder or a glob names."""
    found: list[Path] = []
    for path in matching_paths(pattern, base):
        if path.is_dir():
            found += sorted(file for file, _ in search_folder(path, {*suffixes, TAR_SUFFIX}) if file.is_file())
        elif path.exists():
            found.append(path)
    return found


def _recordings_in(file: Path, suffixes: Set[str]) -> list[Path]:
    """The file itself, or the recordings in it if it is a tar archive."""
    if not is_tar(file):
        return [file]
    return [path for name in sorted(open_tar(file).members) if (path := file / name).suffix.lower() in suffixes]


def provenance(recordings: Iterable[str]) -> tuple[list[str], list[str]]:
    """The sources and the licences of recordings, each once, sorted.

    If no dataset table names the source of a recording, its folder's name is the source.
    """
    rows = [(path, _table_row(Path(path))) for path in recordings]
    sources = {next((row[c] for c in SOURCE_COLUMNS if row.get(c)), Path(path).parent.name) for path, row in rows}
    licences = {row["licence"] for _, row in rows if row.get("licence")}
    return sorted(sources), sorted(licences)


def kind_of(recording: str) -> str:
    """A recording's kind by the dataset table, such as `speech`. It is empty if no table has the recording."""
    return _table_row(Path(recording)).get("kind", "")


def _table_row(path: Path) -> dict[str, str]:
    """What is known about a recording. The nearest folder whose table has it counts."""
    for folder in path.parents:
        if row := _table(folder).get(path.relative_to(folder).as_posix()):
            return row
    return {}


@cache
def _table(folder: Path) -> Mapping[str, dict[str, str]]:
    """The dataset table of a folder or a tar archive, by the recordings' names."""
    if is_tar(folder):
        return open_tar(folder).table
    path = folder / TABLE
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        return {row["file"]: row for row in csv.DictReader(file) if row.get("file")}


@dataclass(frozen=True)
class TarArchive:
    """What is in a tar archive."""

    members: Mapping[str, tuple[int, int]]
    """By a file's name: where its bytes begin in the archive, and how many there are."""
    table: Mapping[str, dict[str, str]]
    """By a file's name: what the JSON file of the same sample says. Files without a JSON file are left out."""


def is_tar(path: Path) -> bool:
    """Whether a path is a tar archive."""
    return path.suffix.lower() == TAR_SUFFIX and path.is_file()


def tar_of(path: Path) -> Path | None:
    """The tar archive that a recording is in. None if the recording is a file of its own."""
    return next((folder for folder in path.parents if is_tar(folder)), None)


@cache
def open_tar(path: Path) -> TarArchive:
    """Find what is in a tar archive.

    Raises:
        InputError: it is damaged, or it is no tar archive.
    """
    try:
        with path.open("rb") as file:
            members = {_checked_name(path, info.name): (info.offset_data, info.size) for info in _plain_files(file)}
            rows = {
                _sample(name): _read_json(file, path, name, *members[name])
                for name in members
                if name.endswith(".json")
            }
    except (tarfile.TarError, ValueError, OverflowError) as error:
        raise InputError(f"{path} is no whole tar archive: {error}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    return TarArchive(members, {name: rows[_sample(name)] for name in members if _sample(name) in rows})


def _plain_files(file: IO[bytes]) -> Iterator[tarfile.TarInfo]:
    """The plain files in an archive: no links, and no sparse files, which are longer than their bytes."""
    with tarfile.open(fileobj=file, mode="r:") as archive:
        for info in archive:
            if info.size < 0:  # tarfile would go back, and find the same member again without end
                raise tarfile.ReadError(f"a length is {info.size:,}")
            if info.isreg() and not info.issparse():
                yield info
        file.seek(archive.offset)  # tarfile takes everything that is no header for the end of the archive
        if file.read(_TAR_BLOCK).strip(b"\0"):
            raise tarfile.ReadError(f"what is at byte {archive.offset:,} is no header")


def _checked_name(archive: Path, name: str) -> str:
    """A member's name without dots.

    Raises:
        InputError: the name leads out of the archive.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise InputError(f"{archive} has a member whose name leads out of it: {name!r}")
    return path.as_posix()


def _sample(name: str) -> str:
    """The part of a name that all files of one sample share.

    >>> _sample("a.b/0001.take2.flac")
    'a.b/0001'
    """
    folder, slash, file = name.rpartition("/")
    return folder + slash + file.partition(".")[0]


def _read_json(file: IO[bytes], archive: Path, name: str, offset: int, size: int) -> dict[str, str]:
    file.seek(offset)
    try:
        values = json.loads(file.read(min(size, MAX_JSON_BYTES)))
        return {str(key): str(value) for key, value in values.items()}
    except (ValueError, AttributeError, RecursionError):
        raise InputError(f"{archive / name} is no JSON object of at most 1 MiB") from None


@contextmanager
def extracted(path: Path) -> Iterator[Path]:
    """A recording as a file of its own. Out of a tar archive it is copied for the length of the context.

    Raises:
        InputError: it cannot be copied.
    """
    archive = tar_of(path)
    if archive is None:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / f"recording{path.suffix}"
        try:
            _copy_member(archive, path.relative_to(archive).as_posix(), copy)
        except OSError as error:
            raise InputError(f"{path} cannot be copied out of its shard: {error.strerror or error}") from None
        try:
            yield copy
        except InputError as error:
            raise InputError(str(error).replace(str(copy), str(path))) from None


def _copy_member(archive: Path, name: str, target: Path) -> None:
    offset, remaining = open_tar(archive).members[name]
    with archive.open("rb") as source, target.open("wb") as copy:
        source.seek(offset)
        while block := source.read(min(remaining, COPY_BYTES)):
            remaining -= copy.write(block)
