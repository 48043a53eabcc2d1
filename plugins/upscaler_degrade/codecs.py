"""`mp3`, `vorbis`, `opus` and `aac`: audio encoded with loss and decoded again, in memory, at a drawn bit rate.

All of them give back as many samples as they took, without delay. MP3, Vorbis and Opus come with libsndfile, which
drops what the coders put in front; AAC is ffmpeg's, whose bare stream (ADTS) begins with the coder's own 1,024 samples.

A coder takes certain rates only. At others the audio goes to the lowest one above, or the highest there is, and back.
More than two channels are coded one by one.

Where the content ends is measured: a sine sweeps up to Nyquist through the same coder, once for each setting. As there
is but one tone at a time, no coder is short of bits, and what is missing is what its low-pass took.
"""

from __future__ import annotations

import functools
import io
import math
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol, get_args

import numpy as np
import soundfile as sf
import torch
from numpy.typing import NDArray
from torch import Tensor

from upscaler_core import Degraded, MissingDependency
from upscaler_degrade.chance import choice, integer, log_uniform, uniform
from upscaler_degrade.options import AacOptions, Mp3Kbps, Mp3Options, OpusOptions, VorbisOptions
from upscaler_degrade.spectrum import resampled

PIECE = 65_536
"""Frames handed over at once; many more crash libsndfile's Vorbis encoder."""

MP3_RATES = (32_000, 44_100, 48_000)
"""Those of MPEG-1, Hz: at lower ones there are other bit rates."""

VORBIS_RATES = (8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000)
OPUS_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)
AAC_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000)

ADTS_DELAY = 1024
"""Samples that ffmpeg's AAC encoder puts in front."""

BAND = 50
"""Width of the bands in which the end of the content is looked for, Hz."""


class Coder(Hashable, Protocol):
    """One codec at one setting. Hashable, so that what is measured of it is kept."""

    @property
    def rates(self) -> tuple[int, ...]:
        """The rates it takes, Hz."""
        ...

    def code(self, samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
        """Encode and decode `[time, channel]`, of one or two channels: at least as many samples, delay 0."""
        ...


@dataclass(frozen=True)
class Sndfile:
    """A codec of libsndfile's, by soundfile's names."""

    container: str
    coding: str
    rates: tuple[int, ...]
    level: float
    mode: str | None = None

    def code(self, samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
        """See `Coder`."""
        file = io.BytesIO()
        form = {"format": self.container, "subtype": self.coding}
        setting = {"compression_level": self.level, "bitrate_mode": self.mode}
        with sf.SoundFile(file, "w", rate, samples.shape[1], **form, **setting) as sound:
            for start in range(0, len(samples), PIECE):
                sound.write(samples[start : start + PIECE])
        file.seek(0)
        decoded: NDArray[np.float32] = sf.read(file, dtype="float32", always_2d=True)[0]
        return decoded


@dataclass(frozen=True)
class FfmpegAac:
    """AAC-LC by ffmpeg's own encoder and decoder."""

    program: str
    kbps: int
    rates: tuple[int, ...] = AAC_RATES

    def code(self, samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
        """See `Coder`."""
        bare = ("-f", "f32le", "-ar", str(rate), "-ac", str(samples.shape[1]))
        coded = self._run(samples.tobytes(), *bare, "-i", "pipe:", "-c:a", "aac", "-b:a", f"{self.kbps}k", "-f", "adts")
        decoded = np.frombuffer(self._run(coded, "-f", "aac", "-i", "pipe:", *bare), "<f4")
        return decoded.reshape(-1, samples.shape[1])[ADTS_DELAY:].copy()

    def _run(self, data: bytes, *words: str) -> bytes:
        done = subprocess.run(
            [self.program, "-v", "error", "-threads", "1", *words, "pipe:"],
            input=data,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise MissingDependency(f"ffmpeg cannot code AAC: {said}; install a build of it that can")
        return done.stdout


class Codec(ABC):
    """What the degradations by codecs share."""

    @abstractmethod
    def draw(self, generator: torch.Generator) -> tuple[Coder, dict[str, float | str]]:
        """Draw a setting; return its coder, and the setting for logs."""

    def __call__(self, x: Tensor, rate: int, generator: torch.Generator) -> Degraded:
        """Code `[channel, time]`; `bandwidth_hz` is where the coder's own low-pass is at −6 dB, if below Nyquist."""
        coder, drawn = self.draw(generator)
        return Degraded(coded(x, rate, coder), bandwidth(coder, rate, min(2, x.shape[0])), drawn)


class Mp3(Codec):
    """The degradation `mp3` (white paper §3.2), by LAME, at a constant or variable bit rate."""

    def __init__(self, options: Mp3Options) -> None:
        self.options = options

    def draw(self, generator: torch.Generator) -> tuple[Coder, dict[str, float | str]]:
        """See `Codec`."""
        o = self.options
        if uniform(generator, 0, 1) < o.vbr_chance:
            v = integer(generator, o.min_v, o.max_v)
            return Sndfile("MP3", "MPEG_LAYER_III", MP3_RATES, v / 10, "VARIABLE"), {"v": v}
        kbps = choice(generator, [k for k in get_args(Mp3Kbps) if o.min_kbps <= k <= o.max_kbps])
        return Sndfile("MP3", "MPEG_LAYER_III", MP3_RATES, (320 - kbps) / 288, "CONSTANT"), {"kbps": kbps}


class Vorbis(Codec):
    """The degradation `vorbis`, of whole quality levels."""

    def __init__(self, options: VorbisOptions) -> None:
        self.options = options

    def draw(self, generator: torch.Generator) -> tuple[Coder, dict[str, float | str]]:
        """See `Codec`."""
        q = integer(generator, self.options.min_quality, self.options.max_quality)
        return Sndfile("OGG", "VORBIS", VORBIS_RATES, 1 - q / 10), {"quality": q}


class Opus(Codec):
    """The degradation `opus`. libsndfile's level is linear in the bit rate, from 256 down to 6 kbps a channel.

    Below 64 kbps a channel the coder may turn to its speech layer, which comes two samples early at 48 kHz.
    """

    def __init__(self, options: OpusOptions) -> None:
        self.options = options

    def draw(self, generator: torch.Generator) -> tuple[Coder, dict[str, float | str]]:
        """See `Codec`."""
        kbps = round(log_uniform(generator, self.options.min_kbps, self.options.max_kbps))
        return Sndfile("OGG", "OPUS", OPUS_RATES, (256 - kbps) / 250), {"kbps_a_channel": kbps}


class Aac(Codec):
    """The degradation `aac`.

    Raises:
        MissingDependency: there is no ffmpeg on the PATH.
    """

    def __init__(self, options: AacOptions) -> None:
        self.options = options
        program = shutil.which("ffmpeg")
        if program is None:
            raise MissingDependency(
                "it needs ffmpeg: install it (apt install ffmpeg, brew install ffmpeg, winget install ffmpeg)"
            )
        self.program = program

    def draw(self, generator: torch.Generator) -> tuple[Coder, dict[str, float | str]]:
        """See `Codec`."""
        kbps = round(log_uniform(generator, self.options.min_kbps, self.options.max_kbps))
        return FfmpegAac(self.program, kbps), {"kbps": kbps}


def coded(x: Tensor, rate: int, coder: Coder) -> Tensor:
    """Send `[channel, time]` at `rate` Hz through a coder: the same shape, dtype and alignment."""
    at = min((possible for possible in coder.rates if possible >= rate), default=max(coder.rates))
    y = resampled(x.detach().cpu().float(), rate, at)
    together = (y,) if len(y) <= 2 else torch.split(y, 1)
    decoded = [coder.code(np.ascontiguousarray(part.T), at)[: y.shape[-1]] for part in together]
    out = resampled(torch.from_numpy(np.concatenate(decoded, 1).T), at, rate)
    return out[:, : x.shape[-1]].contiguous().to(x)


@functools.lru_cache(maxsize=1024)
def bandwidth(coder: Coder, rate: int, channels: int) -> float | None:
    """Where a coder's low-pass is at −6 dB, to `BAND` Hz; None where it reaches to within 1 % of Nyquist."""
    t = torch.arange(rate, dtype=torch.float64) / rate
    sweep = (0.3 * torch.sin(math.pi * rate / 2 * t**2)).float().expand(channels, -1)
    bands = rate // 2 // BAND
    before, after = (
        torch.fft.rfft(x[0]).abs().square()[: bands * BAND].reshape(bands, BAND).sum(1)
        for x in (sweep, coded(sweep, rate, coder))
    )
    kept = (after > before / 4).nonzero()
    end = BAND * (float(kept.max()) + 1) if len(kept) else 0.0
    return end if end < 0.99 * rate / 2 else None
