"""Encodes through libsndfile: what every compressed format's exporter stands on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from upscaler_core import OutputError
from upscaler_files.guard import Guard, Patch

_PIECE = 65_536
"""Frames handed over at once, counted from the first one.

With many more libsndfile's Vorbis encoder overruns its stack; and what it makes of the audio depends on the cuts.
"""


class SoundFileEncoder:
    """Writes one file in a format of libsndfile's.

    Args:
        file: open for writing and reading.
        rate: Hz.
        channels: number of channels.
        container, coding: soundfile's `format` and `subtype`, such as `FLAC` and `PCM_24`.
        tags: text by soundfile's names.
        head: bytes that come before all that libsndfile writes.
        amend: is given the file when libsndfile is done with it.
        settings: soundfile's `compression_level` and `bitrate_mode`.

    Raises:
        OutputError: libsndfile refuses, or the finished file holds other than what was written.
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
        self._guard = Guard(file, Patch(skip=len(head)))
        self._held: NDArray[Any] | None = None
        self._frames = 0
        try:
            self._sound = sf.SoundFile(self._guard, "w", rate, channels, subtype=coding, format=container, **settings)
            for name, text in tags.items():
                setattr(self._sound, name, text)
            self._guard.check()
        except (sf.SoundFileError, ValueError) as error:
            self._refused(error)

    def write(self, samples: NDArray[Any]) -> None:
        """Append `[time, channel]`: float32, or int32 that uses all 32 bits."""
        held = samples if self._held is None else np.concatenate((self._held, samples))
        whole = len(held) - len(held) % _PIECE
        self._encode(held[:whole])
        self._held = held[whole:].copy()

    def finish(self) -> None:
        """Complete the file, and read its header back."""
        if self._held is not None:
            self._encode(self._held)
        if not self._frames:
            raise OutputError("there is no audio to write")
        try:
            self._sound.close()
            self._guard.check()
            self._amended()
            self._file.seek(0)
            with sf.SoundFile(Guard(self._file)) as written:
                frames = written.frames
        except sf.SoundFileError as error:
            self._refused(error)
        if frames != self._frames:
            raise OutputError(f"{self._frames:,} samples were written, and the file holds {frames:,}")

    def abandon(self) -> None:
        """Let go of the file."""
        try:
            self._sound.close()
        except sf.SoundFileError:
            return

    def _amended(self) -> None:
        """Make of the file what libsndfile cannot, when it is done with it."""
        if self._amend is not None:
            self._amend(self._file)

    def _encode(self, samples: NDArray[Any]) -> None:
        try:
            for start in range(0, len(samples), _PIECE):
                self._sound.write(samples[start : start + _PIECE])
                self._guard.check()
        except (sf.SoundFileError, AssertionError) as error:  # soundfile asserts that all was taken
            self._refused(error)
        self._frames += len(samples)

    def _refused(self, error: Exception) -> None:
        self._guard.check()  # what happened to the file explains more than what libsndfile makes of it
        raise OutputError(f"the encoder failed: {error or 'it took fewer samples than it was given'}") from error
