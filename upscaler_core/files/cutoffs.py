"""Cut-offs that the user gives: as one word, or for each file in a list.

A list is a table (CSV) with the columns `file` and `cutoff_hz`, and if a file has several parts, `start` in seconds. Further
columns are for people. A row's `file` is a path from the list's folder, or what an input is called below the folder that was
named as input, or a name alone.

>>> cutoff_of("4.2 kHz", "--cutoff"), cutoff_of("auto", "--cutoff")
(4200.0, None)
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from upscaler_core.atomic import atomic_write
from upscaler_core.errors import OutputError, UsageError

if TYPE_CHECKING:
    from upscaler_core.dsp.bandwidth import BandwidthTrack
    from upscaler_core.files.recording import Recording

CUTOFF = re.compile(r"(\d+(?:\.\d+)?)\s*(k?)(?:hz)?", re.IGNORECASE)
LOWEST_HZ, HIGHEST_HZ = 100.0, 384_000.0
"""The cut-offs, Hz, that can be given. A lower number was probably meant in kHz."""
MAX_UNMATCHED = 5
"""Rows that match no input and are named one by one. Only the number of further ones is given."""
COLUMNS = ("file", "cutoff_hz", "start")
"""The columns that are read. The last one may be left out."""


@dataclass(frozen=True)
class GivenCutoff:
    """From `start` on, seconds, the content ends at `cutoff_hz`."""

    start: float
    cutoff_hz: float


GivenCutoffs = tuple[GivenCutoff, ...]
"""The cut-offs of a file's parts, in order of time, the first one from 0 s on. Empty where the file is to be measured."""


def cutoff_of(text: str, where: str) -> float | None:
    """The cut-off, Hz, that `4000`, `4k` or `4.2 kHz` means; None for `auto`.

    Raises:
        UsageError: it is no cut-off. The message begins with `where`.
    """
    text = text.strip()
    if text.lower() == "auto":
        return None
    match = CUTOFF.fullmatch(text)
    hertz = float(match[1]) * (1000 if match[2] else 1) if match else 0.0
    if not LOWEST_HZ <= hertz <= HIGHEST_HZ:
        raise UsageError(
            f"{where}: '{text}' is no cut-off: write 'auto', or {LOWEST_HZ:.0f} to {HIGHEST_HZ:.0f} Hz as 4000 or 4k"
        )
    return hertz


def given_track(cutoffs: GivenCutoffs, recording: Recording) -> BandwidthTrack:
    """Given cut-offs as the bandwidth of a recording.

    Raises:
        UsageError: a part begins after the recording's end.
    """
    from upscaler_core.dsp.bandwidth import Bandwidth, BandwidthTrack, Segment

    info, last = recording.info, cutoffs[-1].start
    if info.seconds is not None and last >= info.seconds:
        raise UsageError(
            f"{recording.path} ends at {info.seconds:.3f} s: the list of cut-offs has a part that begins at {last:g} s"
        )
    return BandwidthTrack(
        tuple(
            Segment(round(given.start * info.rate), Bandwidth(min(given.cutoff_hz, info.rate / 2))) for given in cutoffs
        )
    )


@dataclass(frozen=True)
class ListedFile:
    """A file of a list."""

    line: int
    """Where it is named first."""
    cutoffs: GivenCutoffs


@dataclass(frozen=True)
class CutoffList:
    """A list of files and their cut-offs."""

    path: Path
    files: Mapping[str, ListedFile]

    def assigned(self, inputs: Sequence[tuple[Path, str]]) -> tuple[dict[Path, GivenCutoffs], list[str]]:
        """Find the inputs that are listed.

        Args:
            inputs: paths, each with its path below the input that named it.

        Returns:
            The cut-offs by the inputs' paths, and sentences about listed files that are no input.

        Raises:
            UsageError: one listed name means several inputs, or two mean the same.
        """
        assigned: dict[Path, GivenCutoffs] = {}
        unmatched: list[str] = []
        by_place = _grouped(inputs, lambda path, name: os.path.realpath(path))
        by_name = _grouped(inputs, lambda path, name: os.path.normpath(name))
        by_last = _grouped(inputs, lambda path, name: path.name)
        for file, listed in self.files.items():
            place = os.path.realpath(self.path.parent / file)
            name = os.path.normpath(file)
            found = by_place.get(place) or by_name.get(name) or by_last.get(name) or []
            where = f"{self.path}:{listed.line}:1"
            if not found:
                unmatched.append(f"{where}: no input is '{file}', so this row changes nothing")
            elif len(found) > 1:
                raise UsageError(f"{where}: '{file}' may be {found[0]} or {found[1]}: write its path from the list on")
            elif found[0] in assigned:
                raise UsageError(f"{where}: '{file}' is {found[0]}, which the list has under another name already")
            else:
                assigned[found[0]] = listed.cutoffs
        if len(unmatched) > MAX_UNMATCHED:
            unmatched[MAX_UNMATCHED:] = [f"{self.path}: {len(unmatched) - MAX_UNMATCHED} more rows change nothing"]
        return assigned, unmatched


def _grouped(inputs: Iterable[tuple[Path, str]], key: Callable[[Path, str], str]) -> dict[str, list[Path]]:
    groups: dict[str, list[Path]] = {}
    for path, name in inputs:
        group = groups.setdefault(key(path, name), [])
        if path not in group:
            group.append(path)
    return groups


def read_cutoffs(path: Path) -> CutoffList:
    """Read a list, separated by commas or semicolons, in UTF-8.

    Raises:
        UsageError: it cannot be read, or is wrong; the message has a line for each fault, with its place.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not in UTF-8: save it as 'CSV UTF-8'") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None
    separator = ";" if lines and ";" in lines[0] else ","
    header = [word.strip().lower() for word, _ in _fields(lines[0], separator)] if lines else []
    if not set(COLUMNS[:2]) <= set(header):
        raise UsageError(
            f"{path}:1:1: the first line must name the columns: write file,cutoff_hz or file,cutoff_hz,start"
        )
    files: dict[str, ListedFile] = {}
    faults: list[str] = []
    for number, line in enumerate(lines[1:], 2):
        if not line.strip(f" {separator}"):
            continue
        fields = dict(zip(header, _fields(line, separator), strict=False))
        row = {
            name: (fields[name][0].strip(), f"{path}:{number}:{fields[name][1]}") for name in COLUMNS if name in fields
        }
        try:
            file = _text(row, "file", f"{path}:{number}:1")
            files[file] = _with_row(files.get(file), number, row, separator)
        except UsageError as error:
            faults.append(str(error))
    if faults:
        raise UsageError("\n".join(faults))
    return CutoffList(path, files)


Row = Mapping[str, tuple[str, str]]
"""Texts of a row by their columns, each with its place."""


def _with_row(before: ListedFile | None, number: int, row: Row, separator: str) -> ListedFile:
    """A file with one more row."""
    cutoff = cutoff_of(_text(row, "cutoff_hz", row["file"][1]), row["cutoff_hz"][1])
    text, where = row.get("start", ("", row["file"][1]))
    start = _seconds(text, where, separator)
    if before is None:
        if start:
            raise UsageError(f"{where}: the first row of a file is for its beginning: write 0, or nothing")
        return ListedFile(number, () if cutoff is None else (GivenCutoff(0.0, cutoff),))
    if cutoff is None or not before.cutoffs:
        raise UsageError(f"{row['cutoff_hz'][1]}: 'auto' is for a whole file: write Hz in each row of this file")
    if start <= before.cutoffs[-1].start:
        last = before.cutoffs[-1].start
        raise UsageError(
            f"{where}: a file's rows are in order of time: write a start after {last:g} s, where the row before starts"
        )
    return ListedFile(before.line, (*before.cutoffs, GivenCutoff(start, cutoff)))


def _text(row: Row, column: str, where: str) -> str:
    """What a column says, which may not be empty."""
    text, where = row.get(column, ("", where))
    if not text:
        raise UsageError(f"{where}: the column '{column}' is empty here: write {_MEANING[column]}")
    return text


_MEANING = {"file": "a file's name or path", "cutoff_hz": "Hz, such as 4000, or 'auto'"}


def _seconds(text: str, where: str, separator: str) -> float:
    """A number of seconds. Spreadsheets that separate by semicolons may write a decimal comma."""
    if not text:
        return 0.0
    plain = text.replace(",", ".") if separator == ";" else text
    if not re.fullmatch(r"\d+(\.\d+)?", plain):
        raise UsageError(f"{where}: '{text}' is no time: write seconds, such as 12.5")
    return float(plain)


def _fields(line: str, separator: str) -> Iterator[tuple[str, int]]:
    """The fields of a line, each with the column of its first character, from 1."""
    position = 0
    for field in next(csv.reader([line], delimiter=separator), []):
        position = max(position, line.find(field.replace('"', '""'), position))
        yield field, position + 1
        position += len(field) + len(separator)


def write_cutoffs(path: Path, rows: Iterable[tuple[Path, float, float, str]]) -> None:
    """Write a list that `read_cutoffs` reads.

    Args:
        path: the list, which must not exist.
        rows: `(file, start in s, cut-off in Hz, a note for people)`.

    Raises:
        OutputError: it exists, or cannot be written.
    """
    refuse_existing(path)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*COLUMNS, "note"))
    folder = os.path.realpath(path.parent)
    for file, start, cutoff, note in rows:
        writer.writerow((_from(folder, file), f"{cutoff:.0f}", f"{start:.3f}".rstrip("0").rstrip("."), note))
    with atomic_write(path) as part:
        part.write_text(text.getvalue(), encoding="utf-8", errors="backslashreplace")


def refuse_existing(path: Path) -> None:
    """Refuse to write over a list, which may have been edited."""
    if path.exists():
        raise OutputError(f"{path} exists: it may have been edited, so name another file, or remove it")


def _from(folder: str, file: Path) -> str:
    """A file's path from a folder, with slashes."""
    return Path(os.path.relpath(os.path.realpath(file), folder)).as_posix()
