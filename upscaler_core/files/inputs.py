"""Which audio files are meant by files, folders and glob patterns."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from upscaler_core.plugins.components import Kind
from upscaler_core.plugins.registry import Registry

OUTPUT_MARK = ".upscaled"
"""The end of the name of an output beside its source. Such files are left out where folders are searched."""


def audio_suffixes(registry: Registry) -> set[str]:
    """The suffixes that the installed readers name, in lower case with their dot."""
    return {suffix for entry in registry.of(Kind.READER) for suffix in entry.component.suffixes}


def find_inputs(
    inputs: Sequence[str | Path], registry: Registry, output: str | None = None
) -> Iterator[tuple[Path, Path]]:
    """Yield each input file with its folder relative to the input that named it.

    Args:
        inputs: files, folders (searched to the bottom for names that a reader knows) and glob patterns.
        registry: for the readers' suffixes.
        output: a folder of outputs. Where it is within a folder that is searched, it is left out.
    """
    suffixes = audio_suffixes(registry)
    excluded = Path(output).resolve() if output and "{" not in output else None
    for pattern in inputs:
        path = Path(pattern)
        if is_folder(path):
            yield from _search(path, suffixes, excluded)
        elif not glob.has_magic(str(pattern)) or path.exists():
            yield path, Path()
        else:
            for match in sorted(glob.glob(str(pattern), recursive=True)):  # noqa: PTH207 - takes absolute patterns too
                if not is_folder(match):
                    yield Path(match), Path()


def _search(top: Path, suffixes: set[str], excluded: Path | None) -> Iterator[tuple[Path, Path]]:
    errors: list[OSError] = []
    for root, folders, names in os.walk(top, onerror=errors.append):
        folder = Path(root)
        if excluded and folder.resolve() == excluded and folder != top:
            folders.clear()
            continue
        folders.sort()
        for name in sorted(names):
            file = folder / name
            if file.suffix.lower() in suffixes and name[0] != "." and not file.stem.endswith(OUTPUT_MARK):
                yield file, folder.relative_to(top)
    for error in errors:  # a folder that may not be read is an input that fails, as a file would
        yield Path(error.filename), Path(error.filename).relative_to(top)


def is_folder(path: str | Path) -> bool:
    """Whether this is known to be a folder. `Path.is_dir` raises for names that are too long, or may not be looked up."""
    return os.path.isdir(path)  # noqa: PTH112
