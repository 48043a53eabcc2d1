"""What every writer shares: from float blocks to samples, and from an operating system's error to a sentence."""

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

from upscaler_core import AudioInfo, OutputError
from upscaler_files.quantize import Quantizer

TAGS = ("title", "artist", "album", "date", "tracknumber", "genre", "comment", "copyright")
"""The tags that are carried over. ReplayGain is not: it is wrong for audio that was changed."""


class Encoder(Protocol):
    """Writes samples into a file that somebody else opens and closes."""

    def write(self, samples: NDArray[Any]) -> None:
        """Append `[time, channel]`: float32, or int32 that uses all 32 bits."""
        ...

    def finish(self) -> None:
        """Complete the file, and make sure that it holds all that was written."""
        ...

    def abandon(self) -> None:
        """Let go of the file, which will be thrown away."""
        ...


class FileSink(AbstractContextManager["FileSink"]):
    """A file being written.

    Args:
        path: where to.
        channels: that every block has.
        start: makes the encoder for the opened file, with which its header is written.
        quantizer: for integer samples; None writes float32 as it comes.

    Raises:
        OutputError: here, in `write` and on leaving the context: the disk is full, or the file cannot be written.
    """

    def __init__(
        self, path: Path, channels: int, start: Callable[[BinaryIO], Encoder], quantizer: Quantizer | None
    ) -> None:
        self.clipped = 0
        """Samples beyond full scale that were clamped so far; float samples never are."""
        self._channels = channels
        self._quantizer = quantizer
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
        if self._quantizer is None:
            self._encode(block.float())
        else:
            self._encode_integers(self._quantizer, self._quantizer.push(block))

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
        """Close after an error that matters more than another one."""
        try:
            self._file.close()
        except OSError:
            self._file.close()  # the buffer was given up by the first attempt


def carried_tags(source: AudioInfo | None) -> dict[str, str]:
    """The source's tags that are kept, several values joined by `; `, without null characters."""
    tags = source.tags if source else {}
    joined = {name: "; ".join(filter(None, tags.get(name, ()))).replace("\0", "") for name in TAGS}
    return {name: text.encode("utf-8", "replace").decode() for name, text in joined.items() if text}


@contextmanager
def _sentences() -> Iterator[None]:
    """Say an operating system's error as an `OutputError`."""
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
