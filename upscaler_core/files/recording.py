"""An open audio file. Invalid samples become 0, the tags are complete, and every error names the file."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from upscaler_core.errors import InputError, MissingDependency, UpscalerError
from upscaler_core.files.tags.reading import complete_tags
from upscaler_core.plugins.components import Kind
from upscaler_core.plugins.registry import Registry

if TYPE_CHECKING:
    from upscaler_core.plugins.protocols import Source

BLOCK = 65_536
"""Samples of each channel that are read at a time."""
LARGEST = 2.0**32
"""The largest magnitude of a sample that is taken for audio. Unscaled integers in a float file do not reach it."""


def open_recording(path: Path, registry: Registry) -> Recording:
    """Open an audio file with the reader that its suffix names, or else with any reader that can.

    Raises:
        InputError: it is missing, it is not a file, or nothing can read it. The message begins with the path.
        MissingDependency: every reader that its suffix names lacks a package or program.
    """
    _refuse_unless_file(path)
    suffix = path.suffix.lower()
    readers = sorted(registry.of(Kind.READER), key=lambda entry: suffix not in entry.component.suffixes)
    named = [entry for entry in readers if suffix in entry.component.suffixes]
    reasons: list[str] = []
    missing: list[str] = []
    for entry in readers:
        try:
            reader = registry.build(Kind.READER, entry.full_name)
            return Recording(path, reader.open(path))
        except MissingDependency as error:
            missing += [str(error)] if entry in named else []
        except UpscalerError as error:
            if str(error) not in reasons:
                reasons.append(str(error))
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    if named and len(missing) == len(named):
        raise MissingDependency(f"{path} cannot be read: {'; '.join(missing)}")
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


class Recording(AbstractContextManager["Recording"]):
    """One audio file, open for any number of passes.

    Args:
        path: the file.
        opened: what a reader returned for it.
    """

    def __init__(self, path: Path, opened: AbstractContextManager[Source]) -> None:
        self.path = path
        self._opened = opened
        self._source = opened.__enter__()
        self.info = complete_tags(self._source.info, path)
        self.damage: str | None = None
        """After a pass: what is missing or broken, in a sentence without a full stop. None for an undamaged file."""
        self.frames = 0
        """Samples of each channel that the last pass has read so far."""

    def __exit__(self, *error: Any) -> None:
        self._opened.__exit__(*error)

    @property
    def seconds(self) -> float:
        """Length that the last pass has read so far, seconds."""
        return self.frames / self.info.rate

    def blocks(self, frames: int = BLOCK) -> Iterator[Tensor]:
        """Yield `[channel, time]` float32 blocks of at most `frames` samples, from the first sample.

        A sample that is NaN, infinite or beyond ±`LARGEST` becomes 0.

        Raises:
            InputError: it cannot be read to its end, or it holds no audio. The message begins with the path.
        """
        self.damage, self.frames, invalid = None, 0, 0
        try:
            for block in self._source.blocks(frames):
                valid = block.abs() <= LARGEST
                wrong = valid.numel() - int(valid.count_nonzero())
                invalid += wrong
                self.frames += block.shape[-1]
                yield block.where(valid, 0) if wrong else block
        except InputError as error:
            raise InputError(f"{self.path} cannot be read: {error}") from error
        except OSError as error:
            reason = error.strerror or error
            raise InputError(f"{self.path} cannot be read: it cannot be read to its end: {reason}") from error
        zeroed = f"{invalid:,} samples were not numbers from −2³² to 2³² and were set to 0" if invalid else None
        self.damage = "; ".join(filter(None, (self._source.damage, zeroed))) or None
        if not self.frames:
            raise InputError(f"{self.path} {f'is damaged: {self.damage}' if self.damage else 'holds no audio'}")
