"""What the lossy writers share."""

from __future__ import annotations

from torch import Tensor

from upscaler_files.sink import FileSink


class LossySink(FileSink):
    """A file whose encoder takes floats.

    Samples beyond ±1 are clamped and counted, as in a file of integers: MP3 and Vorbis could carry them, but most players
    decode to integers, which would clip there without a word. What a decoder makes may still pass ±1 by a little.
    """

    def _encode(self, samples: Tensor) -> None:
        self.clipped += int((samples.abs() > 1).sum())
        super()._encode(samples.clamp(-1, 1))
