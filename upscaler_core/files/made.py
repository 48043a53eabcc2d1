"""Which files this program made: a second run over a folder must not take its results for recordings."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from upscaler_core.files.tags.reading import complete_tags
from upscaler_core.files.tags.restoration import NAME
from upscaler_core.plugins.protocols import AudioInfo
from upscaler_core.plugins.registry import DISTRIBUTION

OUTPUT_MARK = ".upscaled"
"""The end of the name of an output beside its source, before the suffix."""


def has_mark(path: Path, mark: str, names: Collection[str] = ()) -> bool:
    """Whether a file's name ends in the mark of outputs.

    Args:
        path: the file.
        mark: a user's own mark counts only where the source is there too, since other names may end in it.
        names: stems of the files beside it, for that.
    """
    if path.stem.endswith(OUTPUT_MARK):
        return True
    return bool(mark) and path.stem.endswith(mark) and path.stem.removesuffix(mark) in names


def has_tag(path: Path) -> bool:
    """Whether a file's tags say that this program made it. They are read where mutagen is installed."""
    try:
        if not path.is_file():  # opening a pipe would wait for its other end
            return False
        tags = complete_tags(AudioInfo(1, 1, None, ""), path).tags
    except (OSError, ValueError):  # opening it will say why
        return False
    return any(text.startswith(DISTRIBUTION) for text in tags.get(NAME, ()))
