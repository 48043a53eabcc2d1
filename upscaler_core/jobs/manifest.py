"""The record of a run in the output folder, one JSON line for each finished file, which `--resume` reads.

With it no file is done twice, and none is skipped wrongly. A line is written when its output is complete, and never changed.
A process that is killed may leave half a line at the end. That is no JSON, so its file counts as not done. Each shard of a
run has a manifest of its own, because appending to one file from many machines is not safe on every file system. All of them
are read.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from upscaler_core.errors import OutputError, UsageError
from upscaler_core.files.cutoffs import GivenCutoff, GivenCutoffs
from upscaler_core.models.checkpoint import CheckpointOptions, find
from upscaler_core.pipeline.events import Finished, finished_from
from upscaler_core.pipeline.spec import PipelineSpec
from upscaler_core.plugins.components import Options, validate
from upscaler_core.plugins.registry import DISTRIBUTION, Entry, Registry

HASHED_DISTRIBUTIONS = (DISTRIBUTION, "torch", "numpy", "soundfile")
"""Distributions whose versions may change an output's bytes, beside those of the plugins in use."""


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
        status = path.stat()
        return cls(status.st_size, status.st_mtime_ns, digest)

    def matches(self, path: Path) -> bool:
        """Whether the file is still the same. Equal size and time of change are enough, otherwise the content decides."""
        try:
            status = path.stat()
            same_size = stat.S_ISREG(status.st_mode) and status.st_size == self.size
            return same_size and (status.st_mtime_ns == self.mtime_ns or sha256(path) == self.sha256)
        except OSError:
            return False


@dataclass(frozen=True)
class Record:
    """One finished file."""

    name: str
    """Path of the source below the input that named it."""
    target: Path
    source: Fingerprint
    output: Fingerprint
    cutoffs: GivenCutoffs | None = None
    """What the user's list of cut-offs says of the file; None where it does not name it."""
    result: Finished | None = None
    """What was decided and done; None in manifests of version 0.2 and before."""

    def holds(self, source: Path, target: Path, cutoffs: GivenCutoffs | None = None) -> bool:
        """Whether the record is of this output and these cut-offs, and source and output have not changed since."""
        same = self.target == target and self.cutoffs == cutoffs
        return same and self.source.matches(source) and self.output.matches(target)


@dataclass(frozen=True)
class Shard:
    """Part `index` (from 1) of `count`. Every file belongs to one part, whatever other files there are."""

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
        folder: the folder of the outputs.
        pipeline_hash: what the function `pipeline_hash` returns.
        shard: which files this run does.
    """

    def __init__(self, folder: Path, pipeline_hash: str, shard: Shard = EVERYTHING) -> None:
        self.folder, self.pipeline_hash, self.shard = folder, pipeline_hash, shard
        part = f"-{shard.index}-of-{shard.count}" if shard.count > 1 else ""
        self.path = folder / f".upscaler{part}.jsonl"

    @property
    def exists(self) -> bool:
        """Whether a run has left a manifest in the folder."""
        return any(self.folder.glob(".upscaler*.jsonl"))

    def read(self) -> dict[str, Record]:
        """The records of this pipeline and this shard's files, by the files' names, from all manifests in the folder.

        Raises:
            OutputError: a manifest cannot be read.
        """
        records: dict[str, Record] = {}
        for line in _lines(self.folder):
            if record := self._parsed(line):
                records[record.name] = record
        return records

    def _parsed(self, line: bytes) -> Record | None:
        try:
            data = json.loads(line)
            if data["pipeline"] != self.pipeline_hash or data["name"] not in self.shard:
                return None
            source, output = Fingerprint(**data["source"]), Fingerprint(**data["output"])
            listed = data.get("cutoffs")
            cutoffs = None if listed is None else tuple(GivenCutoff(start, hertz) for start, hertz in listed)
            target = self.folder / data["target"]
            return Record(data["name"], target, source, output, cutoffs, _result(target, data.get("result")))
        except (ValueError, TypeError, KeyError):  # half a line, or one of another program
            return None

    def append(self, record: Record) -> None:
        """Append a record as a line of its own, in one write.

        Raises:
            OutputError: it cannot be written.
        """
        data: dict[str, Any] = {"name": record.name, "target": record.target.relative_to(self.folder).as_posix()}
        data |= {"pipeline": self.pipeline_hash, "source": asdict(record.source), "output": asdict(record.output)}
        if record.cutoffs is not None:
            data["cutoffs"] = [(given.start, given.cutoff_hz) for given in record.cutoffs]
        if record.result is not None:
            data["result"] = asdict(record.result)
            data["result"]["source"] = str(record.result.source)
            del data["result"]["target"]
        line = json.dumps(data).encode() + b"\n"
        try:
            with self.path.open("a+b", buffering=0) as file:
                if file.tell() and file.seek(-1, os.SEEK_END) and file.read(1) != b"\n":
                    line = b"\n" + line
                file.write(line)
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written: {error.strerror}") from error


def _result(target: Path, data: Any) -> Finished | None:
    """A record's result; None where it has none, or one of another version."""
    try:
        return finished_from(Path(data["source"]), target, data)
    except (TypeError, KeyError, AttributeError):
        return None


class RecordedOutputs:
    """The outputs of all runs, of whatever pipeline, as the manifests in their folder, or in one above it, have them."""

    def __init__(self) -> None:
        self._in_folder: dict[Path, dict[str, Fingerprint]] = {}

    def __contains__(self, path: Path) -> bool:
        """Whether a file is an output, and has not changed since."""
        absolute = Path(os.path.abspath(path))  # noqa: PTH100 - a link's own folder counts
        return any(
            fingerprint.matches(path)
            for folder in absolute.parents
            if (fingerprint := self._recorded(folder).get(absolute.relative_to(folder).as_posix()))
        )

    def _recorded(self, folder: Path) -> dict[str, Fingerprint]:
        """The outputs by their path below the folder."""
        if folder not in self._in_folder:
            self._in_folder[folder] = outputs = {}
            for line in _lines(folder):
                with contextlib.suppress(ValueError, TypeError, KeyError):  # half a line, or one of another program
                    data = json.loads(line)
                    outputs[data["target"]] = Fingerprint(**data["output"])
        return self._in_folder[folder]


def _lines(folder: Path) -> Iterator[bytes]:
    """The lines of all manifests in a folder.

    Raises:
        OutputError: a manifest cannot be read.
    """
    for path in sorted(folder.glob(".upscaler*.jsonl")):
        try:
            with path.open("rb") as file:
                yield from file
        except OSError as error:
            raise OutputError(f"{path} cannot be read: {error.strerror}") from error


def sha256(path: Path) -> str:
    """A file's SHA-256, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pipeline_hash(spec: PipelineSpec, registry: Registry, device: str) -> str:
    """A hash of all that decides an output's bytes: every option in force, the weights, and the versions of the software.

    The processor is not part of it, although `precision: auto`, and the last bits of sums, depend on the machine.

    Raises:
        UpscalerError: a checkpoint is not there.
    """
    components = list(spec.refs())
    hashed_separately = {"input", "output", "plugins", *(str(place[0]) for place, _, _ in components)}
    options = spec.model_dump(mode="json", exclude=hashed_separately)
    facts = {
        "spec": options,
        "device": device,
        "components": [
            [place, _component(registry.find(kind, ref.use), ref.options)] for place, kind, ref in components
        ],
        "plugins": [sha256(Path(plugin)) for plugin in spec.plugins],
        "versions": {name: _version(name) for name in HASHED_DISTRIBUTIONS},
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _component(entry: Entry, options: Mapping[str, Any] | Options) -> dict[str, Any]:
    """A component with all its options. Where an option names a file, its content counts."""
    options = validate(entry.component, options)
    dumped = options.model_dump(mode="json")
    if isinstance(options, CheckpointOptions) and options.checkpoint != "none":
        package = entry.component.factory.partition(":")[0].partition(".")[0]
        dumped["checkpoint"] = str(find(options.checkpoint, entry.component.name, package))
    return {
        "name": entry.full_name,
        "version": entry.plugin.version,
        "options": {name: sha256(Path(value)) if _is_file(value) else value for name, value in dumped.items()},
    }


def _is_file(value: Any) -> bool:
    return isinstance(value, str) and bool(Path(value).suffix) and Path(value).is_file()


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
