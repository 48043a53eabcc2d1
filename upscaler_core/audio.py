"""Files in, files out: picks readers and exporters, makes samples numbers and every output whole or absent."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from upscaler_core import tags
from upscaler_core.components import Kind, near
from upscaler_core.errors import InputError, MissingDependency, OutputError, UpscalerError, UsageError
from upscaler_core.events import Advanced, Finished, OnEvent, Started, Warned, ignore
from upscaler_core.protocols import AudioInfo, Exporter, Source
from upscaler_core.registry import Entry, Registry, discover
from upscaler_core.whole import whole_or_absent

if TYPE_CHECKING:
    from upscaler_core.pipeline import Pipeline

BLOCK = 65_536
"""Samples a channel that are read at a time."""
LOUDEST = 2.0**32
"""Largest magnitude of a sample that is believed; more than any unscaled integers in a float file reach."""


def open_source(path: Path, registry: Registry) -> Source:
    """Open an audio file with the reader that its suffix names, or else with any that can.

    Raises:
        InputError: it is missing, not a file, or nothing can read it; the message begins with the path.
        MissingDependency: so too where every reader that its suffix names lacks what it needs.
    """
    _refuse_unless_file(path)
    suffix = path.suffix.lower()
    readers = sorted(registry.of(Kind.READER), key=lambda entry: suffix not in entry.component.suffixes)
    named = [entry for entry in readers if suffix in entry.component.suffixes]
    reasons: list[str] = []
    lacking: list[str] = []
    for entry in readers:
        try:
            reader = registry.build(Kind.READER, entry.full_name)
            return _Input(path, reader.open(path))
        except MissingDependency as error:
            lacking += [str(error)] if entry in named else []
        except UpscalerError as error:
            if str(error) not in reasons:
                reasons.append(str(error))
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    if named and len(lacking) == len(named):
        raise MissingDependency(f"{path} cannot be read: {'; '.join(lacking)}")
    raise InputError(f"{path} cannot be read: {'; '.join(reasons) or 'no reader is installed'}")


def _refuse_unless_file(path: Path) -> None:
    """Refuse what cannot be read twice from its beginning, before any reader sees it."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            readable = os.access(path, os.R_OK | os.X_OK)
            raise InputError(f"{path} is a folder{', not an audio file' if readable else ' that may not be read'}")
        if not stat.S_ISREG(mode):
            raise InputError(f"{path} cannot be read: it is not a regular file, and a source is read more than once")
        with path.open("rb") as file:
            if not file.read(1):
                raise InputError(f"{path} cannot be read: it is empty")
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # a null character
        raise InputError(f"{path!r} cannot be read: that is no file name") from error


class _Input(contextlib.AbstractContextManager["_Input"]):
    """A reader's source with all its tags, whose samples are numbers and whose errors are `InputError`s."""

    def __init__(self, path: Path, opened: contextlib.AbstractContextManager[Source]) -> None:
        self._opened = opened
        self._source = opened.__enter__()
        self.info = tags.complete(self._source.info, path)
        self.damage: str | None = None

    def __exit__(self, *error: Any) -> None:
        self._opened.__exit__(*error)

    def blocks(self, frames: int) -> Iterator[Tensor]:
        """One pass; what is NaN, infinite or beyond ±`LOUDEST` comes as 0."""
        self.damage, invalid = None, 0
        try:
            for block in self._source.blocks(frames):
                valid = block.abs() <= LOUDEST
                wrong = valid.numel() - int(valid.count_nonzero())
                invalid += wrong
                yield block.where(valid, 0) if wrong else block
        except OSError as error:
            raise InputError(f"it cannot be read to its end: {error.strerror or error}") from error
        zeroed = f"{invalid:,} samples were not numbers from −2³² to 2³² and were set to 0" if invalid else None
        self.damage = "; ".join(filter(None, (self._source.damage, zeroed))) or None


def exporter_for(path: Path, registry: Registry, preferred: str | None = None) -> Entry:
    """The exporter that a path's suffix picks; `preferred` (a name) wins among several.

    Raises:
        UsageError: no exporter writes that suffix.
    """
    suffix, offered = path.suffix.lower(), registry.of(Kind.EXPORTER)
    matches = [entry for entry in offered if suffix in entry.component.suffixes]
    if not matches:
        known = [s for entry in offered for s in entry.component.suffixes]
        raise UsageError(f"{path}: no exporter writes '{suffix or path.name}'; {near(suffix, known)}")
    return next((entry for entry in matches if preferred in (entry.component.name, entry.full_name)), matches[0])


def default_suffix(info: AudioInfo, rate: int, registry: Registry) -> str:
    """What is written when nobody asks: FLAC, or WAV where FLAC would lose something or cannot hold it."""
    keeps_all = not info.floating and (info.bits or 0) <= 24
    return ".flac" if keeps_all and not exporter_of(Path("x.flac"), registry).refuse(rate, info.channels) else ".wav"


class _Reading:
    """An open source's blocks, pass by pass: counted, told of, and their errors with the path."""

    def __init__(self, path: Path, source: Source, on_event: OnEvent) -> None:
        self.path, self.source, self.on_event = path, source, on_event
        self.frames = 0
        """Samples a channel in this pass."""

    def blocks(self) -> Iterator[Tensor]:
        """One pass, from the first sample."""
        self.frames = 0
        try:
            for block in self.source.blocks(BLOCK):
                self.frames += block.shape[-1]
                yield block
                self.on_event(Advanced(self.path, block.shape[-1] / self.source.info.rate))
        except InputError as error:
            raise InputError(f"{self.path} cannot be read: {error}") from error


def convert(
    pipeline: Pipeline,
    source: Path,
    target: Path,
    *,
    registry: Registry | None = None,
    export: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    strict: bool = False,
    rehearse: bool = False,
    on_event: OnEvent = ignore,
) -> Finished:
    """Send a file through a pipeline into a file.

    Args:
        pipeline: what to do.
        source: any file that an installed reader reads.
        target: its suffix picks the exporter. The folder is made where it is missing.
        registry: where readers and exporters are found; discovered by default.
        export: the exporter's options, with its name under `use`; they count where the suffix picks that exporter.
        overwrite: replace an existing target.
        strict: refuse a damaged source instead of decoding what is there.
        rehearse: check and tell what can be told beforehand, and write nothing.
        on_event: is told what happens.

    Raises:
        InputError, OutputError, UsageError: the target is then absent, or as it was, and the source untouched.
    """
    from upscaler_core.pipeline import Reduction

    began = time.monotonic()
    registry = registry or discover()
    exporter = exporter_of(target, registry, export)
    refuse_overwriting(source, target, overwrite)
    with open_source(source, registry) as audio:
        info = audio.info
        if reason := exporter.refuse(pipeline.target_rate, info.channels):
            raise OutputError(f"{target} cannot be written: {reason}")
        done = Finished(source, target, info.rate, pipeline.target_rate, info.channels, info.seconds or 0)
        if rehearse:
            return done
        surveys = bool(pipeline.models) and pipeline.cutoff_hz is None
        on_event(Started(source, info.seconds, passes=1 + surveys))
        reading, reduction, written = _Reading(source, audio, on_event), Reduction(), 0
        edge = pipeline.edge_of(reading.blocks(), info.rate) if pipeline.models else None
        with whole_or_absent(target) as part:
            with exporter.open(part, pipeline.target_rate, info.channels, info, pipeline.seed) as sink:
                for block in pipeline.stream(reading.blocks(), info.rate, edge=edge, reduction=reduction):
                    sink.write(block)
                    written += block.shape[-1]
            if audio.damage and (strict or not reading.frames):
                raise InputError(f"{source} is damaged: {audio.damage}")
            if not reading.frames:
                raise InputError(f"{source} holds no audio")
    warnings = _warnings(audio.damage, sink.clipped)
    for message in warnings:
        on_event(Warned(source, message))
    cutoff = edge.cutoff_hz if edge else None
    note = pipeline.nothing_to_add(cutoff or 0)
    return replace(
        done,
        seconds=reading.frames / info.rate,
        frames=written,
        cutoff_hz=cutoff,
        added=not note,
        note=note,
        clipped=sink.clipped,
        limited_db=reduction.db,
        limited_share=reduction.share,
        elapsed=time.monotonic() - began,
        warnings=warnings,
    )


def _warnings(damage: str | None, clipped: int) -> tuple[str, ...]:
    said = {
        f"the file is damaged: {damage}; what is there was decoded": damage,
        f"{clipped} samples were clipped at full scale: lower the level, or write float WAV": clipped,
    }
    return tuple(message for message, applies in said.items() if applies)


def exporter_of(target: Path, registry: Registry, export: Mapping[str, Any] | None = None) -> Exporter:
    """Build the exporter for a path, with the given options where they are its own."""
    options = dict(export or {})
    preferred = options.pop("use", None)
    entry = exporter_for(target, registry, preferred)
    if preferred is not None and registry.find(Kind.EXPORTER, preferred) != entry:
        options = {}
    built: Exporter = registry.build(Kind.EXPORTER, entry.full_name, options)
    return built


def refuse_overwriting(source: Path, target: Path, overwrite: bool) -> None:
    """Refuse a target that is the source, a folder, or an existing file that may not be replaced."""
    if target.exists():
        if source.exists() and target.samefile(source):
            raise UsageError(f"{target} is the input itself: name another output, the original stays untouched")
        if target.is_dir():
            raise UsageError(f"{target} is a folder: name a file in it")
        if not overwrite:
            raise OutputError(f"{target} exists: add --overwrite to replace it, or --skip-existing")
