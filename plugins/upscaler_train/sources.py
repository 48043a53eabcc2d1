"""Where training audio is from: what a `manifest.csv` beside or above a recording, or JSON in its shard, says of it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from upscaler_train.shards import is_shard, open_shard

MANIFEST = "manifest.csv"
SOURCES = ("package", "source_package")
"""Columns that name a source, any of them."""


def provenance(recordings: Iterable[str]) -> tuple[list[str], list[str]]:
    """The sources and the licences of recordings, each once; the folder stands for what no manifest knows."""
    rows = [(path, _row(Path(path))) for path in recordings]
    sources = {next((row[c] for c in SOURCES if row.get(c)), Path(path).parent.name) for path, row in rows}
    licences = {row["licence"] for _, row in rows if row.get("licence")}
    return sorted(sources), sorted(licences)


def kind_of(recording: str) -> str:
    """A recording's kind by its manifest; empty where none knows it."""
    return _row(Path(recording)).get("kind", "")


def _row(path: Path) -> dict[str, str]:
    for folder in path.parents:
        if row := _manifest(folder).get(path.relative_to(folder).as_posix()):
            return row
    return {}


@cache
def _manifest(folder: Path) -> Mapping[str, dict[str, str]]:
    if is_shard(folder):
        return open_shard(folder).facts
    return {row["file"]: row for row in _rows(folder / MANIFEST) if row.get("file")}


def _rows(path: Path) -> Iterator[dict[str, str]]:
    if path.is_file():
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            yield from csv.DictReader(file)
