"""Which audio files are meant by files, folders and glob patterns."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from upscaler_core.plugins.components import Kind
from upscaler_core.plugins.registry import Registry

OUTPUT_MARK = ".upscaled"
"""What the name of an output beside its source ends with. Such files are left out where folders are searched."""


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
        output: a folder of outputs; where it lies within a folder that is searched, it is left out.
    """
    readable = audio_suffixes(registry)
    written = Path(output).resolve() if output and "{" not in output else None
    for given in inputs:
        path = Path(given)
        if is_folder(path):
            unread: list[OSError] = []
            for folder, folders, names in os.walk(path, onerror=unread.append):
                here = Path(folder)
                if written and here.resolve() == written and here != path:
                    folders.clear()
                    continue
                folders.sort()
                for name in sorted(names):
                    file = here / name
                    if file.suffix.lower() in readable and name[0] != "." and not file.stem.endswith(OUTPUT_MARK):
                        yield file, here.relative_to(path)
            for error in unread:  # a folder that may not be read fails as a file does
                yield Path(error.filename), Path(error.filename).relative_to(path)
        elif not glob.has_magic(str(given)) or path.exists():
            yield path, Path()
        else:
            for match in sorted(glob.glob(str(given), recursive=True)):  # noqa: PTH207 - takes absolute patterns too
                if not is_folder(match):
                    yield Path(match), Path()


def is_folder(path: str | Path) -> bool:
    """Whether it is known to be a folder. `Path.is_dir` raises where that may not be asked, and on too long names."""
    return os.path.isdir(path)  # noqa: PTH112
