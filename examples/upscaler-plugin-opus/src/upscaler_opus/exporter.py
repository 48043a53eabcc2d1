"""`opus`: writes Ogg Opus. The same audio and options give the same bytes with the same ffmpeg."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import torch
from torch import Tensor
from upscaler_core import AudioInfo, OutputError
from upscaler_core.files import vorbis_comments

from upscaler_opus import ffmpeg
from upscaler_opus.ogg import comment_packet, retag
from upscaler_opus.plugin import OpusOptions

RATES = (8_000, 12_000, 16_000, 24_000, 48_000)
"""Hz; RFC 6716, table 1."""
CHANNELS = len(ffmpeg.LAYOUTS)
VENDOR = "libopus by ffmpeg"


class OpusExporter:
    """The exporter `opus`.

    Raises:
        MissingDependency: there is no ffmpeg with libopus.
    """

    def __init__(self, options: OpusOptions) -> None:
        self._options = options
        self._ffmpeg = ffmpeg.find()

    def refuse(self, rate: int, channels: int) -> str | None:
        """Why this pair cannot be written, and the nearest that can; None where it can."""
        if not 1 <= channels <= CHANNELS:
            return f"Opus is written with 1 to {CHANNELS} channels, not {channels:,}: write WAV instead"
        if rate not in RATES:
            nearest = min(RATES, key=lambda known: abs(known - rate))
            return f"Opus holds 8,000, 12,000, 16,000, 24,000 or 48,000 Hz, not {rate:,}: add -r {nearest}"
        return None

    def open(self, path: Path, rate: int, channels: int, source: AudioInfo | None = None, seed: int = 0) -> OpusSink:
        """Open `path` for writing.

        Raises:
            OutputError: this pair of rate and channels, or the path, cannot be written.
        """
        if reason := self.refuse(rate, channels):
            raise OutputError(reason)
        comments = vorbis_comments(source) if source else {}
        with _sentences(), ExitStack() as opened:
            target = opened.enter_context(path.open("wb"))
            encoding = ffmpeg.Encoding(self._ffmpeg, rate, channels, self._options)
            opened.enter_context(closing(encoding))
            return OpusSink(target, channels, encoding, comment_packet(VENDOR, comments), opened.pop_all())


class OpusSink(AbstractContextManager["OpusSink"]):
    """A file being written.

    Samples beyond ±1 are clamped and counted: most players decode to integers, which would clip there silently.
    """

    def __init__(
        self, target: BinaryIO, channels: int, encoding: ffmpeg.Encoding, tags: bytes, opened: ExitStack
    ) -> None:
        self.clipped = 0
        self._target, self._channels, self._encoding, self._tags = target, channels, encoding, tags
        self._opened = opened
        self._samples = self._serial = 0

    def write(self, block: Tensor) -> None:
        """Append float `[channel, time]`."""
        if block.ndim != 2 or block.shape[0] != self._channels:
            raise ValueError(f"a block of shape {tuple(block.shape)}, where [{self._channels}, time] is written")
        if not torch.isfinite(block).all():
            raise OutputError("the audio to be written holds samples that are not finite numbers")
        self.clipped += int((block.abs() > 1).sum())
        data = block.detach().cpu().float().clamp(-1, 1).T.contiguous().numpy().astype("<f4").tobytes()
        self._samples += block.shape[-1]
        self._serial = zlib.crc32(data, self._serial)
        self._encoding.write(memoryview(data))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Complete the file; after an exception, only close it."""
        with _sentences(), self._opened:
            if kind is None:
                self._finish()

    def _finish(self) -> None:
        if not self._samples:
            raise OutputError("there is no audio to write")
        # The serial number tells streams apart that are concatenated. One that follows from the audio serves as well as
        # a random one.
        retag(self._encoding.finish(), self._target, self._tags, self._serial)


@contextmanager
def _sentences() -> Iterator[None]:
    """Turn an operating system's error into an `OutputError`."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"the file cannot be written: {error.strerror or error}") from error
