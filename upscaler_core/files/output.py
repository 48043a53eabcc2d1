"""Where a recording goes: the path, the rate and the exporter of its output, decided once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from upscaler_core.errors import OutputError, UsageError
from upscaler_core.files.recording import Recording
from upscaler_core.plugins.components import Kind, Options, suggest
from upscaler_core.plugins.protocols import AudioInfo, Exporter
from upscaler_core.plugins.registry import Entry, Registry

RATES = (96_000, 88_200, 48_000, 44_100, 32_000, 22_050, 16_000, 8_000)
"""The rates, Hz, that are tried from the first on where nobody asked for one."""


@dataclass(frozen=True)
class Output:
    """One output, as it was decided."""

    path: Path
    rate: int
    """Hz."""
    exporter: Exporter


@dataclass(frozen=True)
class OutputSettings:
    """What was asked for, for every output of a run.

    Args:
        rate: Hz; None = the highest of `RATES` that the format takes.
        exporter: an exporter's name; None = the one that the suffix picks.
        options: that exporter's options. They count where the suffix picks that exporter.
        overwrite: replace outputs that exist.
    """

    rate: int | None = None
    exporter: str | None = None
    options: Mapping[str, Any] | Options | None = None
    overwrite: bool = False


def decide_output(
    recording: Recording, target: Path, registry: Registry, settings: OutputSettings, *, add_suffix: bool = False
) -> Output:
    """Decide everything about an output.

    Args:
        recording: the open source.
        target: the output's path.
        registry: where exporters are found.
        settings: what was asked for.
        add_suffix: the target has no suffix yet: add `.flac`, or `.wav` where FLAC would lose something or cannot hold it.

    Raises:
        UsageError: no exporter writes that suffix, or the target is a folder or the source itself.
        OutputError: the format cannot hold the audio, or the target exists and may not be replaced.
    """
    reason: str | None = None
    for suffix in default_suffixes(recording.info) if add_suffix else [""]:
        path = target.with_name(target.name + suffix)
        exporter = build_exporter(path, registry, settings)
        rate = settings.rate or highest_rate(exporter)
        reason = exporter.refuse(rate, recording.info.channels)
        if not reason:
            break
    _refuse_overwriting(recording.path, path, settings.overwrite)
    if reason:
        raise OutputError(f"{path} cannot be written: {reason}")
    return Output(path, rate, exporter)


def default_suffixes(info: AudioInfo) -> Iterator[str]:
    """The suffixes that keep all of a recording, the preferred one first. FLAC holds integers of at most 24 bits."""
    if not info.floating and (info.bits or 0) <= 24:
        yield ".flac"
    yield ".wav"


def highest_rate(exporter: Exporter) -> int:
    """The first of `RATES`, Hz, that an exporter takes for one channel."""
    return next((rate for rate in RATES if exporter.refuse(rate, 1) is None), RATES[0])


def build_exporter(path: Path, registry: Registry, settings: OutputSettings) -> Exporter:
    """Build the exporter that a path's suffix picks, with the given options where they are its own.

    Raises:
        UsageError: no exporter writes that suffix.
    """
    entry = find_exporter(path, registry, settings.exporter)
    asked = registry.find(Kind.EXPORTER, settings.exporter) if settings.exporter else entry
    built: Exporter = registry.build(Kind.EXPORTER, entry.full_name, settings.options if asked == entry else None)
    return built


def find_exporter(path: Path, registry: Registry, preferred: str | None = None) -> Entry:
    """The exporter that a path's suffix picks; `preferred` (a name) wins among several.

    Raises:
        UsageError: no exporter writes that suffix.
    """
    suffix, offered = path.suffix.lower(), registry.of(Kind.EXPORTER)
    matches = [entry for entry in offered if suffix in entry.component.suffixes]
    if not matches:
        known = [s for entry in offered for s in entry.component.suffixes]
        raise UsageError(f"{path}: no exporter writes '{suffix or path.name}'; {suggest(suffix, known)}")
    return next((entry for entry in matches if preferred in (entry.component.name, entry.full_name)), matches[0])


def _refuse_overwriting(source: Path, target: Path, overwrite: bool) -> None:
    """Refuse a target that is the source, a folder, or an existing file that may not be replaced."""
    if target.exists():
        if source.exists() and target.samefile(source):
            raise UsageError(f"{target} is the input itself: name another output, the original stays untouched")
        if target.is_dir():
            raise UsageError(f"{target} is a folder: name a file in it")
        if not overwrite:
            raise OutputError(f"{target} exists: add --overwrite to replace it, or --skip-existing")
