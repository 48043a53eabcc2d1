"""`mp3`, `vorbis`, `opus` and `aac`: audio is encoded with loss and decoded again, in memory, at a random bit rate.

All of them return as many samples as they receive, without delay. libsndfile encodes MP3, Vorbis and Opus, and drops the
samples that the encoders put in front. ffmpeg encodes AAC; its bare stream (ADTS) begins with 1,024 samples of padding.

A codec accepts only certain sample rates. At another rate, the audio is resampled to the next higher one that it accepts, or
else to the highest one, and back. More than two channels are coded one by one.

The bandwidth of the result is measured: a sine sweep up to the Nyquist frequency goes through the same codec, once for each
setting. As there is only one tone at a time, no encoder lacks bits, and only its low-pass removes anything.
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
from upscaler_degrade.frequency_domain import resample
from upscaler_degrade.options import AacOptions, Mp3Kbps, Mp3Options, OpusOptions, VorbisOptions
from upscaler_degrade.random_numbers import choice, integer, log_uniform, uniform

BLOCK = 65_536
"""Number of frames that are written at a time. Many more crash libsndfile's Vorbis encoder."""

MP3_RATES = (32_000, 44_100, 48_000)
"""Sample rates of MPEG-1, Hz. Lower rates have other bit rates."""

VORBIS_RATES = (8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000)
"""Sample rates that libsndfile's Vorbis encoder has modes for, Hz."""

OPUS_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)
"""Sample rates that Opus accepts, Hz."""

AAC_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000)
"""Sample rates that ffmpeg's AAC encoder accepts, Hz, except for 7,350."""

ADTS_DELAY = 1024
"""Number of samples that ffmpeg's AAC encoder puts in front."""

BAND_HZ = 50
"""Width of the bands in which a codec's low-pass is measured, Hz."""


class Codec(Hashable, Protocol):
    """An encoder with its decoder, at one setting. It is hashable, so that its measured bandwidth can be cached."""

    @property
    def rates(self) -> tuple[int, ...]:
        """The sample rates that it accepts, Hz."""
        ...

    def round_trip(self, samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
        """Encode and decode `[time, channel]`, one or two channels; return at least as many samples, with delay 0."""
        ...


@dataclass(frozen=True)
class SndfileCodec:
    """A codec of libsndfile. `container`, `coding` and `mode` are the names that soundfile uses."""

    container: str
    coding: str
    rates: tuple[int, ...]
    level: float
    mode: str | None = None

    def round_trip(self, samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
        """See `Codec`."""
        file = io.BytesIO()
        settings = {"compression_level": self.level, "bitrate_mode": self.mode}
        with sf.SoundFile(
            file, "w", rate, samples.shape[1], format=self.container, subtype=self.coding, **settings
        ) as sound:
            for start in range(0, len(samples), BLOCK):
                sound.write(samples[start : start + BLOCK])
        file.seek(0)
        decoded: NDArray[np.float32] = sf.read(file, dtype="float32", always_2d=True)[0]
        return decoded


@dataclass(frozen=True)
class FfmpegAac:
    """AAC-LC with ffmpeg's own encoder and decoder."""

    program: str
    kbps: int
    rates: tuple[int, ...] = AAC_RATES

    def round_trip(self, samples: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
        """See `Codec`."""
        pcm = ("-f", "f32le", "-ar", str(rate), "-ac", str(samples.shape[1]))
        coded = self._run(samples.tobytes(), *pcm, "-i", "pipe:", "-c:a", "aac", "-b:a", f"{self.kbps}k", "-f", "adts")
        decoded = np.frombuffer(self._run(coded, "-f", "aac", "-i", "pipe:", *pcm), "<f4")
        return decoded.reshape(-1, samples.shape[1])[ADTS_DELAY:].copy()

    def _run(self, data: bytes, *arguments: str) -> bytes:
        process = subprocess.run(
            [self.program, "-v", "error", "-threads", "1", *arguments, "pipe:"],
            input=data,
            capture_output=True,
            check=False,
        )
        if process.returncode:
            message = process.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise MissingDependency(f"ffmpeg cannot code AAC: {message}; install a build of it that can")
        return process.stdout


class CodecDegradation(ABC):
    """A degradation by a codec."""

    @abstractmethod
    def draw(self, generator: torch.Generator) -> tuple[Codec, dict[str, float | str]]:
        """Draw a setting; return the codec at this setting, and the setting for logs."""

    def __call__(self, x: Tensor, rate: int, generator: torch.Generator) -> Degraded:
        """Encode and decode `[channel, time]`.

        The result's `bandwidth_hz` is the −6 dB point of the encoder's own low-pass; None if that is not below Nyquist.
        """
        codec, parameters = self.draw(generator)
        return Degraded(encode_and_decode(x, rate, codec), bandwidth(codec, rate, min(2, x.shape[0])), parameters)


class Mp3(CodecDegradation):
    """The degradation `mp3` (white paper §3.2): LAME at a constant or a variable bit rate."""

    def __init__(self, options: Mp3Options) -> None:
        self.options = options

    def draw(self, generator: torch.Generator) -> tuple[Codec, dict[str, float | str]]:
        """See `CodecDegradation`."""
        o = self.options
        if uniform(generator, 0, 1) < o.vbr_chance:
            v = integer(generator, o.min_v, o.max_v)
            return SndfileCodec("MP3", "MPEG_LAYER_III", MP3_RATES, v / 10, "VARIABLE"), {"v": v}
        kbps = choice(generator, [k for k in get_args(Mp3Kbps) if o.min_kbps <= k <= o.max_kbps])
        return SndfileCodec("MP3", "MPEG_LAYER_III", MP3_RATES, (320 - kbps) / 288, "CONSTANT"), {"kbps": kbps}


class Vorbis(CodecDegradation):
    """The degradation `vorbis`, at integer quality levels."""

    def __init__(self, options: VorbisOptions) -> None:
        self.options = options

    def draw(self, generator: torch.Generator) -> tuple[Codec, dict[str, float | str]]:
        """See `CodecDegradation`."""
        q = integer(generator, self.options.min_quality, self.options.max_quality)
        return SndfileCodec("OGG", "VORBIS", VORBIS_RATES, 1 - q / 10), {"quality": q}


class Opus(CodecDegradation):
    """The degradation `opus`. libsndfile's level is linear in the bit rate, from 256 down to 6 kbps a channel.

    Below 64 kbps a channel, the encoder may use its speech layer, whose output is two samples early at 48 kHz.
    """

    def __init__(self, options: OpusOptions) -> None:
        self.options = options

    def draw(self, generator: torch.Generator) -> tuple[Codec, dict[str, float | str]]:
        """See `CodecDegradation`."""
        kbps = round(log_uniform(generator, self.options.min_kbps, self.options.max_kbps))
        return SndfileCodec("OGG", "OPUS", OPUS_RATES, (256 - kbps) / 250), {"kbps_a_channel": kbps}


class Aac(CodecDegradation):
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

    def draw(self, generator: torch.Generator) -> tuple[Codec, dict[str, float | str]]:
        """See `CodecDegradation`."""
        kbps = round(log_uniform(generator, self.options.min_kbps, self.options.max_kbps))
        return FfmpegAac(self.program, kbps), {"kbps": kbps}


def encode_and_decode(x: Tensor, rate: int, codec: Codec) -> Tensor:
    """Send `[channel, time]` at `rate` Hz through a codec; the shape, dtype and alignment stay the same."""
    codec_rate = min((possible for possible in codec.rates if possible >= rate), default=max(codec.rates))
    y = resample(x.detach().cpu().float(), rate, codec_rate)
    groups = (y,) if len(y) <= 2 else torch.split(y, 1)
    decoded = [codec.round_trip(np.ascontiguousarray(group.T), codec_rate)[: y.shape[-1]] for group in groups]
    out = resample(torch.from_numpy(np.concatenate(decoded, 1).T), codec_rate, rate)
    return out[:, : x.shape[-1]].contiguous().to(x)


@functools.lru_cache(maxsize=1024)
def bandwidth(codec: Codec, rate: int, channels: int) -> float | None:
    """The −6 dB point of a codec's low-pass, Hz, in steps of `BAND_HZ`; None if it is within 1 % of Nyquist or above."""
    t = torch.arange(rate, dtype=torch.float64) / rate
    sweep = (0.3 * torch.sin(math.pi * rate / 2 * t**2)).float().expand(channels, -1)
    bands = rate // 2 // BAND_HZ
    before, after = (
        torch.fft.rfft(x[0]).abs().square()[: bands * BAND_HZ].reshape(bands, BAND_HZ).sum(1)
        for x in (sweep, encode_and_decode(sweep, rate, codec))
    )
    passed = (after > before / 4).nonzero()
    end = BAND_HZ * (float(passed.max()) + 1) if len(passed) else 0.0
    return end if end < 0.99 * rate / 2 else None
