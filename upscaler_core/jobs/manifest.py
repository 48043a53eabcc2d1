"""What was done, a JSON line a file in the output folder, so that `--resume` does nothing twice and skips nothing wrongly.

A line is written when its output is whole, and never changed. A process that is killed may leave half a line at the end: it
is no JSON, so its file counts as not done. Each shard of a run has a manifest of its own, because appending to one file
from many machines is not safe on every file system; all of them are read.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from upscaler_core.errors import OutputError, UsageError
from upscaler_core.models.checkpoint import ModelOptions, find
from upscaler_core.pipeline.spec import ComponentRef, PipelineSpec
from upscaler_core.plugins.components import validate
from upscaler_core.plugins.registry import DISTRIBUTION, Entry, Registry

DECIDING = (DISTRIBUTION, "torch", "numpy", "soundfile")
"""Distributions whose version may decide an output's bytes, beside those of the plugins in use."""


@dataclass(frozen=True)
class Fingerprint:
    """A file's size, time of change and content."""

    size: int
    mtime_ns: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Fingerprint:
        """Read a file. Raises OSError."""
        digest = sha256(path)
        facts = path.stat()
        return cls(facts.st_size, facts.st_mtime_ns, digest)

    def matches(self, path: Path) -> bool:
        """Whether the file is still the same: equal size and time of change are believed, otherwise the content decides."""
        try:
            facts = path.stat()
            same_size = stat.S_ISREG(facts.st_mode) and facts.st_size == self.size
            return same_size and (facts.st_mtime_ns == self.mtime_ns or sha256(path) == self.sha256)
        except OSError:
            return False


@dataclass(frozen=True)
class Record:
    """One file that was done."""

    name: str
    """Path of the source below the input that named it."""
    target: Path
    source: Fingerprint
    output: Fingerprint

    def holds(self, source: Path) -> bool:
        """Whether the output is still there, made of what the source still is."""
        return self.source.matches(source) and self.output.matches(self.target)


@dataclass(frozen=True)
class Shard:
    """Part `index` (from 1) of `count`: every file belongs to one part, whatever other files there are."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read `I/N`.

        Raises:
            UsageError: it is not 1/N … N/N.
        """
        index, slash, count = text.partition("/")
        if not (slash and index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
            raise UsageError(f"--shard {text}: write I/N, from 1/N to N/N, such as 3/100")
        return cls(int(index), int(count))

    def __contains__(self, name: str) -> bool:
        digest = hashlib.sha256(os.fsencode(name)).digest()
        return int.from_bytes(digest[:8]) % self.count == self.index - 1


EVERYTHING = Shard(1, 1)


class Manifest:
    """The manifest of one run, or of one shard of it.

    Args:
        folder: that of the outputs.
        pipeline: from `pipeline_hash`.
        shard: which files this run does.
    """

    def __init__(self, folder: Path, pipeline: str, shard: Shard = EVERYTHING) -> None:
        self.folder, self.pipeline, self.shard = folder, pipeline, shard
        part = f"-{shard.index}-of-{shard.count}" if shard.count > 1 else ""
        self.path = folder / f".upscaler{part}.jsonl"

    def read(self) -> dict[str, Record]:
        """What this pipeline has done of this shard's files, by their names, from all manifests in the folder.

        Raises:
            OutputError: a manifest cannot be read.
        """
        records: dict[str, Record] = {}
        for path in sorted(self.folder.glob(".upscaler*.jsonl")):
            try:
                with path.open("rb") as file:
                    records.update((record.name, record) for line in file if (record := self._parsed(line)))
            except OSError as error:
                raise OutputError(f"{path} cannot be read: {error.strerror}") from error
        return records

    def _parsed(self, line: bytes) -> Record | None:
        try:
            data = json.loads(line)
            if data["pipeline"] != self.pipeline or data["name"] not in self.shard:
                return None
            source, output = Fingerprint(**data["source"]), Fingerprint(**data["output"])
            return Record(data["name"], self.folder / data["target"], source, output)
        except (ValueError, TypeError, KeyError):  # half a line
            return None

    def append(self, record: Record) -> None:
        """Write a record, in one piece.

        Raises:
            OutputError: it cannot be written.
        """
        data: dict[str, Any] = {"name": record.name, "target": record.target.relative_to(self.folder).as_posix()}
        data |= {"pipeline": self.pipeline, "source": asdict(record.source), "output": asdict(record.output)}
        line = json.dumps(data).encode() + b"\n"
        try:
            with self.path.open("a+b", buffering=0) as file:
                if file.tell() and file.seek(-1, os.SEEK_END) and file.read(1) != b"\n":
                    line = b"\n" + line
                file.write(line)
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written: {error.strerror}") from error


def sha256(path: Path) -> str:
    """A file's SHA-256, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pipeline_hash(spec: PipelineSpec, registry: Registry, device: str) -> str:
    """A hash of all that decides the bytes of an output: every option in force, the weights, the versions of what computes.

    Not in it: the processor. What `precision: auto` computes in, and the last bits of sums, differ between machines.

    Raises:
        UpscalerError: a checkpoint is not there.
    """
    used = list(spec.refs())
    apart = {"input", "output", "plugins", *(str(place[0]) for place, _, _ in used)}
    asked = spec.model_dump(mode="json", exclude=apart)
    asked["target_rate"] = spec.target_rate if "target_rate" in spec.model_fields_set else None  # see batch.rate_of
    facts = {
        "spec": asked,
        "device": device,
        "components": [[place, _component(registry.find(kind, ref.use), ref)] for place, kind, ref in used],
        "plugins": [sha256(Path(plugin)) for plugin in spec.plugins],
        "versions": {name: _version(name) for name in DECIDING},
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _component(entry: Entry, ref: ComponentRef) -> dict[str, Any]:
    """A component with all its options; of a file that one names, the content."""
    options = validate(entry.component, ref.options)
    values = options.model_dump(mode="json")
    if isinstance(options, ModelOptions) and options.checkpoint != "none":
        package = entry.component.factory.partition(":")[0].partition(".")[0]
        values["checkpoint"] = str(find(options.checkpoint, entry.component.name, package))
    return {
        "name": entry.full_name,
        "version": entry.plugin.version,
        "options": {name: sha256(Path(value)) if _is_file(value) else value for name, value in values.items()},
    }


def _is_file(value: Any) -> bool:
    return isinstance(value, str) and bool(Path(value).suffix) and Path(value).is_file()


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
