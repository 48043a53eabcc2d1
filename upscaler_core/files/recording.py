"""An open audio file. Invalid samples become 0, the tags are complete, and every error names the file."""

from __future__ import annotations

import functools
import math
import os
import stat
from collections.abc import Iterator, Sequence
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
_CLEARLY_MORE = 0.25
"""Seconds that another reader must find in addition. Decoders differ by less in what they keep of a coder's padding."""
LARGEST = 2.0**32
"""The largest magnitude of a sample that is taken for audio. Unscaled integers in a float file do not reach it."""


def open_recording(path: Path, registry: Registry) -> Recording:
    """Open an audio file with the reader that its suffix names, or else with any reader that can.

    If that reader says at once that it cannot reach all of the audio, the others are tried too, and the one that decodes
    most of it is used.

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
    for index, entry in enumerate(readers):
        try:
            recording = Recording(path, registry.build(Kind.READER, entry.full_name).open(path), refusals=reasons)
        except MissingDependency as error:
            missing += [str(error)] if entry in named else []
        except UpscalerError as error:
            if str(error) not in reasons:
                reasons.append(str(error))
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
        else:
            others = tuple(other.full_name for other in readers[index + 1 :])
            return _fullest(recording, entry.full_name, others, registry) if recording.damage and others else recording
    if named and len(missing) == len(named):
        raise MissingDependency(f"{path} cannot be read: {'; '.join(missing)}")
    raise InputError(f"{path} cannot be read: {'; '.join(reasons) or 'no reader is installed'}")


def _fullest(recording: Recording, reader: str, others: tuple[str, ...], registry: Registry) -> Recording:
    """What reads most of a damaged file: the given reader's recording, or that of one of the others."""
    path, names = recording.path, (reader, *others)
    best = _reader_of_most(path, path.stat().st_mtime_ns, names, registry)
    if best == reader:
        return recording
    recording.__exit__(None, None, None)
    note = f"{recording.damage}; it was read by {best}, which finds more of it than {reader}"
    return Recording(path, registry.build(Kind.READER, best).open(path), note=note)


@functools.lru_cache(maxsize=256)
def _reader_of_most(path: Path, modified_ns: int, readers: tuple[str, ...], registry: Registry) -> str:
    """The name of the reader that decodes most seconds of a file, the first one unless another is clearly better."""
    best, most = readers[0], -math.inf
    for name in readers:
        try:
            with Recording(path, registry.build(Kind.READER, name).open(path)) as recording:
                for _ in recording.blocks():
                    continue
                decoded = recording.seconds * (1 - recording.silenced_share)
        except (UpscalerError, OSError):
            continue
        if decoded > most + _CLEARLY_MORE:
            best, most = name, decoded
    return best


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
        note: what is wrong with it, beside what the reader finds.
        refusals: why other readers could not open it.
    """

    def __init__(
        self,
        path: Path,
        opened: AbstractContextManager[Source],
        *,
        note: str | None = None,
        refusals: Sequence[str] = (),
    ) -> None:
        self.path = path
        self._opened, self._note, self._refusals = opened, note, tuple(refusals)
        self._source = opened.__enter__()
        self.info = complete_tags(self._source.info, path)
        self.damage: str | None = getattr(self._source, "damage", None)
        """After a pass: what is missing or broken, in a sentence without a full stop. None for an undamaged file."""
        self.silenced_share = 0.0
        """After a pass: the share of it that could not be decoded and is silence now, 0 … 1."""
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
        self.damage, self.frames, self.silenced_share, invalid = None, 0, 0.0, 0
        try:
            for block in self._source.blocks(frames):
                valid = block.abs() <= LARGEST
                wrong = valid.numel() - int(valid.count_nonzero())
                invalid += wrong
                self.frames += block.shape[-1]
                yield block.where(valid, 0) if wrong else block
        except InputError as error:
            reason = "; ".join((*self._refusals, str(error)))
            raise InputError(f"{self.path} cannot be read: {reason}") from error
        except OSError as error:
            reason = error.strerror or str(error)
            raise InputError(f"{self.path} cannot be read: it cannot be read to its end: {reason}") from error
        zeroed = f"{invalid:,} samples were not numbers from −2³² to 2³² and were set to 0" if invalid else None
        self.damage = "; ".join(filter(None, (self._note, self._source.damage, zeroed))) or None
        if not self.frames:
            reason = "; ".join((*self._refusals, self.damage or "it holds no audio that can be decoded"))
            raise InputError(f"{self.path} cannot be read: {reason}")
        silenced = getattr(self._source, "silenced", 0) + invalid / self.info.channels
        self.silenced_share = min(1.0, silenced / self.frames)
