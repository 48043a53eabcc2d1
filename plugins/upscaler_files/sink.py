"""A file being written: float blocks become samples, and an operating system's error becomes a sentence."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from upscaler_core import OutputError
from upscaler_files.quantize import Quantizer


class Encoder(Protocol):
    """Writes samples into a file that somebody else opens and closes."""

    def write(self, samples: NDArray[Any]) -> None:
        """Append `[time, channel]`: float32, or int32 that uses all 32 bits."""
        ...

    def finish(self) -> None:
        """Complete the file, and make sure that it holds all that was written."""
        ...

    def abandon(self) -> None:
        """End without completing the file, which will be thrown away."""
        ...


class FileSink(AbstractContextManager["FileSink"]):
    """A file being written.

    Samples beyond ±1 are clamped and counted for a lossy encoder too, as in a file of integers: MP3 and Vorbis could carry
    them, but most players decode to integers, which would clip there without a message. What a decoder makes may still pass
    ±1 by a little.

    Args:
        path: where to.
        channels: that every block has.
        start: makes the encoder for the opened file, and with it the file's header.
        quantizer: for integer samples; None hands float32 to the encoder.
        clamp: keep float samples within ±1.

    Raises:
        OutputError: here, in `write` and on leaving the context: the disk is full, or the file cannot be written.
    """

    def __init__(
        self,
        path: Path,
        channels: int,
        start: Callable[[BinaryIO], Encoder],
        quantizer: Quantizer | None,
        *,
        clamp: bool = False,
    ) -> None:
        self.clipped = 0
        """Samples beyond full scale that were clamped so far. Float samples in a WAV file never are."""
        self.floating = quantizer is None and not clamp
        """Whether samples beyond full scale are kept."""
        self._channels = channels
        self._quantizer = quantizer
        self._clamp = clamp
        with _sentences():
            self._file = path.open("w+b")
        try:
            with _sentences():
                self._encoder = start(self._file)
        except BaseException:
            self._close_quietly()
            raise

    def write(self, block: Tensor) -> None:
        """Append float `[channel, time]`."""
        if block.ndim != 2 or block.shape[0] != self._channels:
            raise ValueError(f"a block of shape {tuple(block.shape)}, where [{self._channels}, time] is written")
        block = block.detach().cpu()
        if not torch.isfinite(block).all():
            raise OutputError("the audio to be written holds samples that are not finite numbers")
        if self._quantizer is not None:
            self._encode_integers(self._quantizer, self._quantizer.push(block))
        elif self._clamp:
            samples = block.float()
            self.clipped += int((samples.abs() > 1).sum())
            self._encode(samples.clamp(-1, 1))
        else:
            self._encode(block.float())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Complete and close the file; after an exception, only close it."""
        if kind is not None:
            self._encoder.abandon()
            self._close_quietly()
            return
        try:
            if self._quantizer is not None:
                self._encode_integers(self._quantizer, self._quantizer.finish())
            with _sentences():
                self._encoder.finish()
                self._file.close()  # the last bytes, and the errors of network file systems, come only here
        except BaseException:
            self._encoder.abandon()
            self._close_quietly()
            raise

    def _encode_integers(self, quantizer: Quantizer, samples: Tensor) -> None:
        self.clipped = quantizer.clipped
        self._encode(samples << (32 - quantizer.bits))

    def _encode(self, samples: Tensor) -> None:
        if samples.numel():
            with _sentences():
                self._encoder.write(np.ascontiguousarray(samples.numpy().T))

    def _close_quietly(self) -> None:
        """Close the file after an error. A further error of closing is ignored."""
        try:
            self._file.close()
        except OSError:
            self._file.close()  # the first attempt has dropped the buffer


@contextmanager
def _sentences() -> Iterator[None]:
    """Turn an operating system's error into an `OutputError`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            sentence = "the disk is full"
        elif error.errno == errno.EFBIG:
            sentence = "the file grew beyond the size that is allowed here"
        elif isinstance(error, PermissionError):
            sentence = "permission to write the file is denied"
        else:
            sentence = f"the file cannot be written: {error.strerror or error}"
        raise OutputError(sentence) from error
