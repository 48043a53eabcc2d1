"""Which audio files are meant by what a user typed: files, folders and glob patterns.

What exists is always taken literally. Only the rest of a path, from the first part on that does not exist, is read as a
pattern (or, in `jobs.targets`, as a template). So `Album [2020]/*.flac` finds the files of that album.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator, Sequence, Set
from pathlib import Path

from upscaler_core.errors import UsageError
from upscaler_core.plugins.components import Kind
from upscaler_core.plugins.registry import Registry

NO_RECORDINGS = frozenset({"$recycle.bin", "#recycle", "@eadir", "__macosx", "lost+found", "system volume information"})
"""Folders that systems and servers put beside a user's own, in lower case: trash, thumbnails, found fragments."""

OnLeftOut = Callable[[Path, str], None]
"""It is told which path was left out, and why: it was …"""
IN_OUTPUT_FOLDER = "in the output folder"
DEAD_LINK = "a link that leads nowhere"


def tell_nobody(path: Path, reason: str) -> None:
    """Ignore what was left out."""


def audio_suffixes(registry: Registry) -> set[str]:
    """The suffixes that the installed readers name, in lower case with their dot."""
    return {suffix for entry in registry.of(Kind.READER) for suffix in entry.component.suffixes}


def find_inputs(
    inputs: Sequence[str | Path],
    registry: Registry,
    output: str | Path | None = None,
    *,
    folder: Path = Path(),
    left_out: OnLeftOut = tell_nobody,
) -> Iterator[tuple[Path, Path]]:
    """Yield each input file with its folder relative to the input that named it.

    Args:
        inputs: files, folders (searched to the bottom for names that a reader knows) and glob patterns.
        registry: for the readers' suffixes.
        output: the folder of the outputs. Where it is within a folder that is searched, its files are left out.
        folder: where relative paths begin; it is taken literally.
        left_out: is told what is left out.

    Raises:
        UsageError: an input is `-`.
    """
    suffixes = audio_suffixes(registry)
    for text in inputs:
        for path in matching_paths(str(text), folder):
            if is_folder(path):
                yield from search_folder(path, suffixes, output, left_out)
            else:
                yield path, Path()


def matching_paths(text: str, folder: Path = Path()) -> list[Path]:
    """The paths that a text means: itself where it exists or is no pattern, otherwise the files that match, sorted.

    Args:
        text: a path or a glob pattern.
        folder: where a relative one begins; it is taken literally.

    Raises:
        UsageError: the text is `-`.
    """
    if text == "-":
        raise UsageError("'-', standard input, is not read yet: name a file (a file of that name is './-')")
    place, rest = split_path(text, folder)
    if not glob.has_magic(rest):
        return [place / rest]
    matches = sorted(glob.glob(rest, root_dir=place, recursive=True))  # noqa: PTH207 - it has a root_dir
    paths = [place / match for match in matches if _is_wanted(match, rest)]
    return [path for path in paths if not is_folder(path) and not _goes_round(path, place)]


def split_path(text: str, folder: Path = Path()) -> tuple[Path, str]:
    """Split a path into the part that exists, and the rest, which is empty where all of it exists.

    A `~` at the beginning means the home folder.
    """
    place, parts = folder, expand_home(text).parts
    for index, part in enumerate(parts):
        if not os.path.lexists(place / part):
            return place, str(Path(*parts[index:]))
        place /= part
    return place, ""


def expand_home(text: str) -> Path:
    """A path in which `~` at the beginning is the home folder, and `~name` another user's."""
    return Path(os.path.expanduser(text))  # noqa: PTH111 - it raises nothing


def _is_wanted(match: str, pattern: str) -> bool:
    """Whether a match is in no folder of trash, unless the pattern names that. Hidden names are left out by `glob`."""
    named = set(Path(pattern).parts)
    return all(part in named or part.lower() not in NO_RECORDINGS for part in Path(match).parts[:-1])


def _goes_round(path: Path, top: Path) -> bool:
    """Whether a path below `top` passes one folder twice, by links."""
    folders = [place for place in (path, *path.parents) if place.is_relative_to(top)][1:]
    return len({_identity(place) for place in folders}) < len(folders)


def search_folder(
    top: Path, suffixes: Set[str], output: str | Path | None = None, left_out: OnLeftOut = tell_nobody
) -> Iterator[tuple[Path, Path]]:
    """Yield the files in a folder and below whose names have one of the suffixes, each with its folder relative to `top`.

    Links are followed, except back to a folder that they are in. Hidden files and folders, and trash, are not searched.
    """
    excluded = _identity(Path(output)) if output and is_folder(output) else None
    above = {top: {_identity(top)}}
    errors: list[OSError] = []
    for root, folders, names in os.walk(top, onerror=errors.append, followlinks=True):
        folder = Path(root)
        ancestors = above.pop(folder)
        entered = []
        for name in sorted(folders):
            path = folder / name
            identity = _identity(path)
            if name[0] == "." or name.lower() in NO_RECORDINGS or identity in ancestors:
                continue
            if identity == excluded:
                for file, _ in search_folder(path, suffixes):
                    left_out(file, IN_OUTPUT_FOLDER)
                continue
            above[path] = ancestors | {identity}
            entered.append(name)
        folders[:] = entered
        for name in sorted(names):
            file = folder / name
            if name[0] == ".":
                continue
            if file.suffix.lower() in suffixes:
                yield file, folder.relative_to(top)
            elif file.is_symlink() and not file.exists():
                left_out(file, DEAD_LINK)
    for error in errors:  # a folder that may not be read is an input that fails, as a file would
        yield Path(error.filename), Path(error.filename).relative_to(top)


def _identity(path: Path) -> tuple[int, int] | str:
    """What two paths have in common that are one folder or file. Some file systems of networks number nothing."""
    return file_identity(path) or os.path.realpath(path)


def file_identity(path: Path) -> tuple[int, int] | None:
    """Device and number of a file or folder, links followed; None where there is none, or it has no number.

    It is the same for every name of a file: by a link, in other letter case, or in another Unicode form, wherever
    the file system takes these for one name.
    """
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return (status.st_dev, status.st_ino) if status.st_ino else None


def is_folder(path: str | Path) -> bool:
    """Whether this is known to be a folder. `Path.is_dir` raises for names that are too long, or may not be looked up."""
    return os.path.isdir(path)  # noqa: PTH112
