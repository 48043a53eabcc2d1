"""Where a recording goes: the path, the exporter and the rate of its output, and what is refused. It is decided once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from upscaler_core.errors import OptionError, OutputError, UsageError
from upscaler_core.plugins.components import Kind, Options, suggest, validate
from upscaler_core.plugins.protocols import AudioInfo, Exporter
from upscaler_core.plugins.registry import Entry, Registry

VIDEO = frozenset(
    {".3gp", ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".webm", ".wmv"}
)
"""Suffixes of video. Its sound is read, but video is not written."""
RATES = (96_000, 88_200, 48_000, 44_100, 32_000, 22_050, 16_000, 8_000)
"""The rates, Hz, that are tried in this order where the user chooses none."""


@dataclass(frozen=True)
class OutputSettings:
    """The user's choices for every output of a run.

    Args:
        rate: Hz; None = the first of `RATES` that the format takes.
        exporter: an exporter's name; None = the one that the suffix picks.
        options: that exporter's options; without an exporter, those of the one that the suffix picks.
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
    overwrite: bool = False
    """Whether a file of that name may be replaced."""


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
    for suffix in fitting_suffixes(info(), registry, settings) if add_suffix else [""]:
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
    return Output(path, rate, exporter, settings.overwrite)


def default_suffixes(info: AudioInfo) -> Iterator[str]:
    """The suffixes whose formats keep all of a source, the preferred one first. FLAC holds integers of at most 24 bits."""
    if not info.floating and (info.bits or 0) <= 24:
        yield ".flac"
    yield ".wav"


def fitting_suffixes(info: AudioInfo | None, registry: Registry, settings: OutputSettings) -> list[str]:
    """The default suffixes, for a source or for any, whose exporters take the given options.

    Raises:
        OptionError: none of them does.
    """
    suffixes = list(default_suffixes(info)) if info else [".flac", ".wav"]
    fitting, last_error = [], None
    for suffix in suffixes:
        try:
            exporter_options(Path(f"x{suffix}"), registry, settings)
            fitting.append(suffix)
        except OptionError as error:
            last_error = error
    if not fitting and last_error:
        raise last_error
    return fitting


def build_exporter(path: Path, registry: Registry, settings: OutputSettings) -> Exporter:
    """Build the exporter that a path's suffix picks, with the given options.

    Raises:
        UsageError: no exporter writes that suffix, or the options are another one's.
        MissingDependency: the exporter lacks a package or program.
    """
    entry, options = exporter_options(path, registry, settings)
    built: Exporter = registry.build(Kind.EXPORTER, entry.full_name, options)
    return built


def exporter_options(path: Path, registry: Registry, settings: OutputSettings) -> tuple[Entry, Options]:
    """The exporter that a path's suffix picks, and its checked options. It imports nothing heavy.

    Raises:
        UsageError: no exporter writes that suffix, or the options are another one's.
        OptionError: the exporter does not take the options.
    """
    entry = find_exporter(path, registry, settings.exporter)
    chosen = registry.find(Kind.EXPORTER, settings.exporter) if settings.exporter else entry
    options = settings.options or {}
    if chosen == entry:
        return entry, validate(entry.component, options)
    names = options.model_fields_set if isinstance(options, Options) else options
    if names:
        raise UsageError(
            f"{path} is written by '{entry.component.name}', and {', '.join(sorted(names))} "
            f"{'is an option' if len(names) == 1 else 'are options'} of '{chosen.component.name}': let the name end in "
            f"{chosen.component.suffixes[0]}, or add --format {entry.component.name} to leave such options out"
        )
    return entry, validate(entry.component, {})


def find_exporter(path: Path, registry: Registry, preferred: str | None = None) -> Entry:
    """The exporter that a path's suffix picks; among several, the one of the name `preferred`.

    Raises:
        UsageError: no exporter writes that suffix.
    """
    suffix, exporters = path.suffix.lower(), registry.of(Kind.EXPORTER)
    matches = [entry for entry in exporters if suffix in entry.component.suffixes]
    if not matches:
        known = sorted(s for entry in exporters for s in entry.component.suffixes)
        if suffix in VIDEO:
            raise UsageError(f"{path}: video is not written, only its sound: choose from {', '.join(known)}")
        is_format = suffix in {s for entry in registry.of(Kind.READER) for s in entry.component.suffixes}
        remedy = suggest("" if is_format else suffix, known)  # `.mp2` is no slip of the pen for `.mp3`
        raise UsageError(f"{path}: no exporter writes '{suffix or path.name}'; {remedy}")
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
