"""The recordings to judge on: which there are, of which kind, and their samples."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from upscaler_core import InputError, Kind, Registry, UsageError
from upscaler_core.files import open_recording

BLOCK = 65_536
MANIFEST = "manifest.csv"


@dataclass(frozen=True)
class Clip:
    """A recording, and what kind of material it is."""

    path: Path
    kind: str


def clips(folder: Path, registry: Registry, limit: int | None = None) -> list[Clip]:
    """The recordings of a folder: those of its manifest.csv, or every file that a reader knows, by sub-folder.

    Args:
        folder: where they are.
        registry: for the readers' suffixes.
        limit: how many of each kind at most.

    Raises:
        InputError: there is none.
        UsageError: the manifest has no columns `file` and `kind`.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder")
    manifest = folder / MANIFEST
    found = list(_listed(manifest) if manifest.exists() else _searched(folder, registry))
    if not found:
        raise InputError(f"{folder} holds no audio file")
    seen: Counter[str] = Counter()
    kept = []
    for clip in found:
        seen[clip.kind] += 1
        if limit is None or seen[clip.kind] <= limit:
            kept.append(clip)
    return kept


def _listed(manifest: Path) -> Iterator[Clip]:
    try:
        rows = list(csv.DictReader(manifest.read_text("utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{manifest} cannot be read: {error}") from error
    for row in rows:
        if not row.get("file") or not row.get("kind"):
            raise UsageError(
                f"{manifest}: every row needs a 'file' and a 'kind'; or remove it, and sub-folders are kinds"
            )
        yield Clip(manifest.parent / row["file"], row["kind"])


def _searched(folder: Path, registry: Registry) -> Iterator[Clip]:
    suffixes = {suffix for entry in registry.of(Kind.READER) for suffix in entry.component.suffixes}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in suffixes and path.is_file() and not path.name.startswith("."):
            yield Clip(path, path.relative_to(folder).parts[0] if path.parent != folder else folder.resolve().name)


def read(path: Path, registry: Registry) -> tuple[Tensor, int]:
    """A whole file: `([channel, time], Hz)`.

    Raises:
        InputError: it cannot be read, or holds nothing; the message names it.
    """
    with open_recording(path, registry) as source:
        try:
            blocks = list(source.blocks(BLOCK))
        except InputError as error:
            raise InputError(f"{path} cannot be read: {error}") from error
        if not blocks:
            raise InputError(f"{path} holds no audio")
        return torch.cat(blocks, -1), source.info.rate
