"""Encodes through libsndfile, which all compressed formats do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from upscaler_core import OutputError
from upscaler_files.guarded_file import GuardedFile, Patch

_PIECE = 65_536
"""Frames that libsndfile gets at once, counted from the first one.

With many more, libsndfile's Vorbis encoder overruns its stack. And what it makes of the audio depends on where it is cut.
"""


class SoundFileEncoder:
    """Writes one file in a format of libsndfile's.

    Args:
        file: open for writing and reading.
        rate: Hz.
        channels: number of channels.
        container, coding: soundfile's `format` and `subtype`, such as `FLAC` and `PCM_24`.
        tags: texts by soundfile's names.
        head: bytes that come before all that libsndfile writes.
        amend: is called with the file when libsndfile has completed it.
        settings: soundfile's `compression_level` and `bitrate_mode`.

    Raises:
        OutputError: libsndfile refuses, or the complete file has another length than what was written.
        OSError: the file cannot be written.
    """

    def __init__(
        self,
        file: BinaryIO,
        rate: int,
        channels: int,
        container: str,
        coding: str,
        tags: dict[str, str],
        head: bytes = b"",
        amend: Callable[[BinaryIO], None] | None = None,
        **settings: Any,
    ) -> None:
        file.write(head)
        self._file = file
        self._amend = amend
        self._guarded = GuardedFile(file, Patch(skip=len(head)))
        self._rest: NDArray[Any] = np.empty((0, channels), np.float32)  # less than a piece
        self._frames = 0
        try:
            self._sound = sf.SoundFile(self._guarded, "w", rate, channels, subtype=coding, format=container, **settings)
            for name, text in tags.items():
                setattr(self._sound, name, text)
            self._guarded.check()
        except (sf.SoundFileError, ValueError) as error:
            self._fail(error)

    def write(self, samples: NDArray[Any]) -> None:
        """Append `[time, channel]`: float32, or int32 that uses all 32 bits."""
        samples = np.concatenate((self._rest, samples)) if len(self._rest) else samples
        complete = len(samples) - len(samples) % _PIECE
        self._encode(samples[:complete])
        self._rest = samples[complete:].copy()

    def finish(self) -> None:
        """Complete the file, and read its header back."""
        self._encode(self._rest)
        if not self._frames:
            raise OutputError("there is no audio to write")
        try:
            self._sound.close()
            self._guarded.check()
            self._complete()
            self._file.seek(0)
            with sf.SoundFile(GuardedFile(self._file)) as written:
                frames = written.frames
        except sf.SoundFileError as error:
            self._fail(error)
        if frames != self._frames:
            raise OutputError(f"{self._frames:,} samples were written, and the file holds {frames:,}")

    def abandon(self) -> None:
        """Close libsndfile's part of a file that will be thrown away."""
        try:
            self._sound.close()
        except sf.SoundFileError:
            return

    def _complete(self) -> None:
        """Do to the file what libsndfile cannot."""
        if self._amend is not None:
            self._amend(self._file)

    def _encode(self, samples: NDArray[Any]) -> None:
        try:
            for start in range(0, len(samples), _PIECE):
                self._sound.write(samples[start : start + _PIECE])
                self._guarded.check()
        except (sf.SoundFileError, AssertionError) as error:  # soundfile asserts that all samples were taken
            self._fail(error)
        self._frames += len(samples)

    def _fail(self, error: Exception) -> None:
        self._guarded.check()  # an error of the file explains more than libsndfile's error that follows from it
        raise OutputError(f"the encoder failed: {error or 'it took fewer samples than it was given'}") from error
