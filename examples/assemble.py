"""A pipeline assembled in Python: files in six lines, then arrays, blocks, and a model of your own."""

from pathlib import Path

import numpy as np
import torch

from upscaler_core import Estimate, Pipeline, discover

AUDIO = Path(__file__).parent / "audio"
OUT = Path("results")

# Files: six lines.
up = discover()
pipeline = Pipeline(target_rate=96_000, resampler=up.resampler("poly-sinc-hq"))
done = pipeline.write(AUDIO / "speech_kerstin_de_cc0_48k.flac", OUT / "speech.flac", overwrite=True)
print(f"{done.target}: {done.seconds:.1f} s at {done.rate_out} Hz in {done.elapsed:.1f} s")

# Arrays in, arrays out; tensors in, tensors out; no file.
tone = np.sin(2 * np.pi * 440 * np.arange(44_100) / 44_100, dtype=np.float32)
finer = pipeline(tone, rate=44_100)
print("array:", tone.shape, "->", finer.shape)

# Blocks in, blocks out, for a signal without end.
blocks = (np.stack([tone, tone])[:, i : i + 1_000] for i in range(0, 44_100, 1_000))
total = sum(block.shape[-1] for block in pipeline.stream(blocks, rate=44_100))
print("blocks:", total, "samples a channel")


# Any object with a rate, a length multiple, a receptive field and a call is a model; no base class, no registration.
class Sparkle:
    """Mirrors the octave below the cut-off into the octave above it, 30 dB down: a toy."""

    rate, length_multiple, receptive_field = 48_000, 1, 0

    def __call__(self, baseline, conditions):
        """`[batch, 1, time]` -> an estimate of the same length."""
        n = conditions.start[:, None, None] + torch.arange(baseline.shape[-1])
        return Estimate(baseline + 0.03 * baseline * (1 - 2 * (n % 2)))


toy = Pipeline(target_rate=48_000, resampler=up.resampler("poly-sinc-hq"), models={"toy": Sparkle()}, cutoff_hz=8_000)
print("with a model:", tuple(toy(tone, rate=16_000).shape))
