"""Where a recording goes: the path, the exporter and the rate of its output, and what is refused. It is decided once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from upscaler_core.errors import OutputError, UsageError
from upscaler_core.plugins.components import Kind, Options, suggest
from upscaler_core.plugins.protocols import AudioInfo, Exporter
from upscaler_core.plugins.registry import Entry, Registry

RATES = (96_000, 88_200, 48_000, 44_100, 32_000, 22_050, 16_000, 8_000)
"""The rates, Hz, that are tried in this order where the user chooses none."""


@dataclass(frozen=True)
class OutputSettings:
    """The user's choices for every output of a run.

    Args:
        rate: Hz; None = the first of `RATES` that the format takes.
        exporter: an exporter's name; None = the one that the suffix picks.
        options: that exporter's options. They count where the suffix picks that exporter.
        overwrite: replace outputs that exist.
        skip_existing: refuse nothing on account of what exists: the caller leaves such files out.
        resumable: there is a manifest, so that `--resume` can be advised where an output exists.
    """

    rate: int | None = None
    exporter: str | None = None
    options: Mapping[str, Any] | Options | None = None
    overwrite: bool = False
    skip_existing: bool = False
    resumable: bool = False


@dataclass(frozen=True)
class Output:
    """One output, as it was decided."""

    path: Path
    rate: int
    """Hz."""
    exporter: Exporter


def decide_output(
    source: Path,
    target: Path,
    info: Callable[[], AudioInfo],
    registry: Registry,
    settings: OutputSettings,
    *,
    add_suffix: bool = False,
) -> Output:
    """Decide everything about the output of one file.

    Args:
        source: the recording's path.
        target: the output's path.
        info: returns the source's header. It is called, and so the source is opened, after all that can be refused
            without it has been refused.
        registry: where exporters are found.
        settings: the user's choices.
        add_suffix: the target has no suffix yet: add the first of `default_suffixes` whose format holds the source.

    Raises:
        UsageError: no exporter writes the target's suffix, or the target is a folder or the source itself.
        OutputError: the format cannot hold the source, or the target exists and may not be replaced.
        MissingDependency: the exporter lacks a package or program.
    """
    reason: str | None = None
    for suffix in default_suffixes(info()) if add_suffix else [""]:
        path = target.with_name(target.name + suffix)
        exporter = build_exporter(path, registry, settings)
        rate = settings.rate or highest_rate(exporter)
        if not add_suffix:
            _refuse_overwriting(source, path, settings)
        reason = exporter.refuse(rate, info().channels)
        if not reason:
            break
    if reason:
        raise OutputError(f"{path} cannot be written: {reason}")
    if add_suffix:
        _refuse_overwriting(source, path, settings)
    return Output(path, rate, exporter)


def default_suffixes(info: AudioInfo) -> Iterator[str]:
    """The suffixes whose formats keep all of a source, the preferred one first. FLAC holds integers of at most 24 bits."""
    if not info.floating and (info.bits or 0) <= 24:
        yield ".flac"
    yield ".wav"


def build_exporter(path: Path, registry: Registry, settings: OutputSettings) -> Exporter:
    """Build the exporter that a path's suffix picks, with the given options where they are its own.

    Raises:
        UsageError: no exporter writes that suffix.
        MissingDependency: the exporter lacks a package or program.
    """
    entry = find_exporter(path, registry, settings.exporter)
    chosen = registry.find(Kind.EXPORTER, settings.exporter) if settings.exporter else entry
    built: Exporter = registry.build(Kind.EXPORTER, entry.full_name, settings.options if chosen == entry else None)
    return built


def find_exporter(path: Path, registry: Registry, preferred: str | None = None) -> Entry:
    """The exporter that a path's suffix picks; among several, the one of the name `preferred`.

    Raises:
        UsageError: no exporter writes that suffix.
    """
    suffix, exporters = path.suffix.lower(), registry.of(Kind.EXPORTER)
    matches = [entry for entry in exporters if suffix in entry.component.suffixes]
    if not matches:
        known = [s for entry in exporters for s in entry.component.suffixes]
        raise UsageError(f"{path}: no exporter writes '{suffix or path.name}'; {suggest(suffix, known)}")
    return next((entry for entry in matches if preferred in (entry.component.name, entry.full_name)), matches[0])


def highest_rate(exporter: Exporter) -> int:
    """The first of `RATES`, Hz, that an exporter takes for one channel; the first of all where it takes none."""
    return next((rate for rate in RATES if exporter.refuse(rate, 1) is None), RATES[0])


def _refuse_overwriting(source: Path, target: Path, settings: OutputSettings) -> None:
    """Refuse a target that is the source, a folder, or an existing file that may not be replaced."""
    if target.exists() and not settings.skip_existing:
        if source.exists() and target.samefile(source):
            raise UsageError(f"{target} is the input itself: name another output, the original stays untouched")
        if target.is_dir():
            raise UsageError(f"{target} is a folder: name a file in it")
        if not settings.overwrite:
            resume = "--resume to continue an interrupted run, " if settings.resumable else ""
            raise OutputError(f"{target} exists: add {resume}--overwrite to replace it, or --skip-existing to keep it")
