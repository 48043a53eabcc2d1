"""The reference recordings of an evaluation: where they are, which kind of material each is, and their samples."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from upscaler_core import InputError, Registry, UsageError
from upscaler_core.files import audio_suffixes, caught_messages, open_recording, search_folder

DATASET_TABLE = "manifest.csv"
"""Name of the file in a folder that lists its recordings, with the columns `file` and `kind`."""


@dataclass(frozen=True)
class ReferenceRecording:
    """A recording, and which kind of material it is."""

    path: Path
    kind: str


def find_references(folder: Path, registry: Registry, limit: int | None = None) -> list[ReferenceRecording]:
    """The recordings of a folder: those that its manifest.csv lists, or else every audio file.

    Without a manifest.csv, the kind of a recording is the name of the sub-folder that it lies in.

    Args:
        folder: the folder.
        registry: knows the suffixes of audio files.
        limit: at most so many recordings of each kind.

    Raises:
        InputError: the folder holds no recording.
        UsageError: the manifest.csv has no columns `file` and `kind`.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder")
    table = folder / DATASET_TABLE
    references = list(_listed(table) if table.exists() else _searched(folder, registry))
    if not references:
        raise InputError(f"{folder} holds no audio file")
    counts: Counter[str] = Counter()
    limited = []
    for reference in references:
        counts[reference.kind] += 1
        if limit is None or counts[reference.kind] <= limit:
            limited.append(reference)
    return limited


def _listed(table: Path) -> Iterator[ReferenceRecording]:
    try:
        rows = list(csv.DictReader(table.read_text("utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table} cannot be read: {error}") from error
    for row in rows:
        if not row.get("file") or not row.get("kind"):
            raise UsageError(f"{table}: every row needs a 'file' and a 'kind'; or remove it, and sub-folders are kinds")
        yield ReferenceRecording(table.parent / row["file"], row["kind"])


def _searched(folder: Path, registry: Registry) -> Iterator[ReferenceRecording]:
    files = (path for path, _ in search_folder(folder, audio_suffixes(registry)) if path.is_file())
    for path in sorted(files):
        kind = path.relative_to(folder).parts[0] if path.parent != folder else folder.resolve().name
        yield ReferenceRecording(path, kind)


def read_recording(path: Path, registry: Registry) -> tuple[Tensor, int]:
    """Read a complete file: `([channel, time], sample rate in Hz)`.

    Raises:
        InputError: it cannot be read, or holds no audio. The message begins with the path.
    """
    with caught_messages(), open_recording(path, registry) as recording:
        return torch.cat(list(recording.blocks()), -1), recording.info.rate
