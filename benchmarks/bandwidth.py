"""Test bandwidth detectors with files as people have them: clips that were band-limited and stored in many ways; originals.

    python benchmarks/bandwidth.py --data FOLDER [--solos FOLDER] [--detector edge-net edge-rules] [--clips 48]
                                   [--only CONDITION ...] [--json OUT.json] [--misses]

It takes the middle of clips that a `manifest.csv` in the folder lists with a bandwidth of 15 kHz or more. Each is
low-passed at one of five cut-offs (3.4 to 11 kHz; soxr VHQ, −6 dB at 0.956 of the lower rate's Nyquist frequency), then
goes through each condition. A result is right within 7 % of the truth, which is the −6 dB point of all filters together. A
clip does not count in a condition where what the filter took away had not stood 8 dB clear of the floor in its loudest
frames: nobody could find that edge.

For a codec alone the truth is where white noise ends after it. Originals are right if they are not called band-limited more
than 7 % below the end that their manifest gives, or below the Nyquist frequency. From 19 kHz on nothing is ever added, so
that is right, too: many recordings were Vorbis files, whose edge lies there. `--solos` is a folder of originals that end
by themselves, as `examples/recipes/detector/render_solos.py` makes them.

The condition "joined" puts an original, another clip that is band-limited, and the original one after the other, and counts
the changes that are placed within 0.3 s. It needs the extra "bench", ffmpeg and sox.
"""

from __future__ import annotations

import argparse
import csv
import functools
import io
import json
import math
import shutil
import subprocess
import tempfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
import torch
from numpy.typing import NDArray
from scipy import signal

from upscaler_core import discover
from upscaler_core.dsp import BandwidthTrack
from upscaler_core.pipeline import FULL_BAND_HZ

Audio = NDArray[np.float64]  # [time, channel]
CUTOFFS = (3400, 4000, 5500, 8000, 11_000)
SOXR_6DB = 0.956
"""The −6 dB point of soxr VHQ, as a share of the Nyquist frequency of the lower rate."""
NEAR = 0.07
CLEAR_DB = 8.0


@dataclass
class Case:
    """A clip, band-limited, for a condition to work on."""

    name: str
    x: Audio
    """The original."""
    rate: int
    low: Audio
    """At the lower rate."""
    low_rate: int
    rng: np.random.Generator

    @functools.cached_property
    def limited(self) -> Audio:
        """Up again, by soxr."""
        return soxr.resample(self.low, self.low_rate, self.rate)[: len(self.x)]


# ------------------------------------------------------------------ containers


def store(x: Audio, bits: int = 16, dither: bool = False, rng: np.random.Generator | None = None) -> Audio:
    """Round `[time, channel]` to integers of so many bits."""
    scale = 2.0 ** (bits - 1)
    noise = rng.random(x.shape) - rng.random(x.shape) if dither and rng else 0.0
    return np.clip(np.round(x * scale + noise), -scale, scale - 1) / scale


def mu_law(x: Audio) -> Audio:
    """8 bits on a logarithmic scale (G.711)."""
    file = io.BytesIO()
    soundfile.write(file, np.clip(x, -1, 1), 48_000, format="WAV", subtype="ULAW")
    file.seek(0)
    return soundfile.read(file, always_2d=True)[0]


# ------------------------------------------------------------------ other programs


def program(command: list[str], x: Audio, rate: int) -> Audio:
    """Send audio through a program that reads IN and writes OUT, both WAV files."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = f"{folder}/in.wav", f"{folder}/out.wav"
        soundfile.write(source, x, rate, subtype="FLOAT")
        filled = [
            word.replace("IN", source).replace("OUT", target) if word in ("IN", "OUT") else word for word in command
        ]
        subprocess.run(filled, check=True, capture_output=True)
        return soundfile.read(target, always_2d=True)[0]


def ffmpeg_code(x: Audio, rate: int, suffix: str, *options: str) -> Audio:
    """Encode and decode by ffmpeg, back to the same rate and channels."""
    with tempfile.TemporaryDirectory() as folder:
        source, coded, back = f"{folder}/in.wav", f"{folder}/x{suffix}", f"{folder}/out.wav"
        soundfile.write(source, x, rate, subtype="PCM_16")
        run = ["ffmpeg", "-v", "error", "-y", "-i"]
        subprocess.run([*run, source, *options, coded], check=True)
        subprocess.run([*run, coded, "-ar", str(rate), "-ac", str(x.shape[1]), "-c:a", "pcm_s16le", back], check=True)
        return soundfile.read(back, always_2d=True)[0]


def sox_code(x: Audio, rate: int, suffix: str, low_rate: int) -> Audio:
    """Encode and decode by sox at a lower rate, one channel."""
    with tempfile.TemporaryDirectory() as folder:
        source, coded, back = f"{folder}/in.wav", f"{folder}/x{suffix}", f"{folder}/out.wav"
        soundfile.write(source, x, rate, subtype="PCM_16")
        subprocess.run(["sox", "-V1", source, "-r", str(low_rate), "-c", "1", coded], check=True)
        subprocess.run(["sox", "-V1", coded, "-r", str(rate), back], check=True)
        return soundfile.read(back, always_2d=True)[0]


def sndfile_code(x: Audio, rate: int, **how: Any) -> Audio:
    """Encode and decode by libsndfile."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", rate, x.shape[1], **how) as out:
        for start in range(0, len(x), 65_536):
            out.write(x[start : start + 65_536])
    file.seek(0)
    return soundfile.read(file, always_2d=True)[0]


# ------------------------------------------------------------------ what happens to files


def gate(x: Audio, rate: int) -> Audio:
    """A noise gate with hard edges, and a second cut out."""
    step = rate // 50
    count = len(x) // step
    y = x[: count * step].reshape(count, step, -1).copy()
    rms = np.sqrt((y**2).mean((1, 2)))
    y[rms < np.quantile(rms, 0.25)] = 0
    y = y.reshape(count * step, -1)
    y[len(y) // 3 : len(y) // 3 + rate] = 0
    return y


def linear(c: Case) -> Audio:
    """Up by linear interpolation: images stand above the edge."""
    t = np.arange(int(len(c.low) * c.rate / c.low_rate)) * c.low_rate / c.rate
    return np.stack([np.interp(t, np.arange(len(c.low)), channel) for channel in c.low.T], 1)


def hold(c: Case) -> Audio:
    """Up by repeating samples: strong images stand above the edge."""
    t = np.arange(int(len(c.low) * c.rate / c.low_rate)) * c.low_rate / c.rate
    return c.low[t.astype(int)]


def scipy_poly(c: Case) -> Audio:
    """Up by scipy's `resample_poly` with its default filter."""
    g = math.gcd(c.low_rate, c.rate)
    return signal.resample_poly(c.low, c.rate // g, c.low_rate // g, axis=0)


def libsamplerate(c: Case) -> Audio:
    """Up by libsamplerate's fastest sinc."""
    import samplerate

    return np.asarray(samplerate.resample(c.low, c.rate / c.low_rate, "sinc_fastest"), np.float64).reshape(
        -1, c.low.shape[1]
    )


def torchaudio_up(c: Case) -> Audio:
    """Up by torchaudio's default filter."""
    up = discover().resampler("torchaudio")
    return up(torch.from_numpy(c.low.T.copy()), c.low_rate, c.rate).T.numpy()


def tone(c: Case, *hz: float, db: float = -60) -> Audio:
    """Sines of one level."""
    t = np.arange(len(c.limited)) / c.rate
    return sum(10 ** (db / 20) * np.sin(2 * np.pi * f * t) for f in hz)[:, None]


def hiss(c: Case, db: float) -> Audio:
    """White noise of so many dBFS."""
    return 10 ** (db / 20) * c.rng.standard_normal(c.limited.shape)


def rare(c: Case) -> Audio:
    """A fiftieth of the file sounds: 3 s of 150 s (here: padded with digital silence)."""
    y = c.limited[: 3 * c.rate]
    silence = np.zeros((73 * c.rate, y.shape[1]))
    return np.concatenate([silence, y, silence])


def fades(c: Case) -> Audio:
    """Half the file fades in, half fades out."""
    ramp = np.minimum(1, np.linspace(0, 2, len(c.limited)))[:, None]
    return c.limited * np.minimum(ramp, ramp[::-1]) ** 3


def telephone(c: Case) -> Audio:
    """A telephone line: 300 to 3,400 Hz at 8 kHz."""
    low = soxr.resample(c.x, c.rate, 8000, "HQ")
    sos = signal.cheby2(6, 40, (250, 3600), "bandpass", fs=8000, output="sos")
    return soxr.resample(signal.sosfilt(sos, low, axis=0), 8000, c.rate)[: len(c.x)]


def twice(c: Case) -> Audio:
    """Converted to the other common rate, stored, and back by sox."""
    other = 44_100 if c.rate == 48_000 else 48_000
    return program(
        ["sox", "-V1", "IN", "-r", str(c.rate), "OUT"], store(soxr.resample(c.limited, c.rate, other)), other
    )


def minutes(c: Case) -> Audio:
    """A minute of it."""
    return np.concatenate([c.limited] * 6)


Condition = Callable[[Case], Audio]
BAND_LIMITED: dict[str, Condition] = {
    "soxr, 16 bits": lambda c: store(c.limited),
    "16 bits, dither": lambda c: store(c.limited, dither=True, rng=c.rng),
    "24 bits": lambda c: store(c.limited, 24),
    "12 bits": lambda c: store(c.limited, 12),
    "8 bits, dither": lambda c: store(c.limited, 8, True, c.rng),
    "mu-law": lambda c: mu_law(c.limited),
    "-30 dB, 16 bits": lambda c: store(c.limited * 10**-1.5),
    "-30 dB, 16 bits, dither": lambda c: store(c.limited * 10**-1.5, dither=True, rng=c.rng),
    "-50 dB, 16 bits": lambda c: store(c.limited * 10**-2.5),
    "gaps": lambda c: store(gate(c.limited, c.rate)),
    "dither, then gaps": lambda c: gate(store(c.limited, dither=True, rng=c.rng), c.rate),
    "gaps, 3 s": lambda c: store(gate(c.limited, c.rate))[c.rate : 4 * c.rate],
    "98 % silence": lambda c: store(rare(c)),
    "long fades": lambda c: store(fades(c)),
    "1 s": lambda c: store(c.limited)[4 * c.rate : 5 * c.rate],
    "3 s": lambda c: store(c.limited)[4 * c.rate : 7 * c.rate],
    "60 s": lambda c: store(minutes(c)),
    "sox": lambda c: store(program(["sox", "-V1", "IN", "-r", str(c.rate), "OUT"], c.low, c.low_rate)),
    "ffmpeg": lambda c: store(program(["ffmpeg", "-i", "IN", "-ar", str(c.rate), "OUT"], c.low, c.low_rate)),
    "scipy resample_poly": lambda c: store(scipy_poly(c)),
    "torchaudio": lambda c: store(torchaudio_up(c)),
    "libsamplerate, fastest": lambda c: store(libsamplerate(c)),
    "linear interpolation": lambda c: store(linear(c)),
    "zero-order hold": lambda c: store(hold(c)),
    "noise at -75 dBFS": lambda c: store(c.limited + hiss(c, -75)),
    "noise at -60 dBFS": lambda c: store(c.limited + hiss(c, -60)),
    "hum": lambda c: store(c.limited + tone(c, *(50 * k for k in range(1, 20)))),
    "19 kHz pilot": lambda c: store(c.limited + tone(c, 19_000)),
    "15.6 kHz whistle": lambda c: store(c.limited + tone(c, 15_625, db=-50)),
    "MP3 64": lambda c: ffmpeg_code(c.limited, c.rate, ".mp3", "-b:a", "64k"),
    "MP3 128": lambda c: sndfile_code(c.limited, c.rate, format="MP3", subtype="MPEG_LAYER_III", compression_level=0.65,
                                      bitrate_mode="CONSTANT"),
    "MP3 V0": lambda c: ffmpeg_code(c.limited, c.rate, ".mp3", "-q:a", "0"),
    "MP3 320": lambda c: ffmpeg_code(c.limited, c.rate, ".mp3", "-b:a", "320k"),
    "AAC 64": lambda c: ffmpeg_code(c.limited, c.rate, ".m4a", "-b:a", "64k"),
    "AAC 128": lambda c: ffmpeg_code(c.limited, c.rate, ".m4a", "-b:a", "128k"),
    "Opus 32": lambda c: ffmpeg_code(c.limited, c.rate, ".opus", "-b:a", "32k"),
    "Opus 96": lambda c: ffmpeg_code(c.limited, c.rate, ".opus", "-b:a", "96k"),
    "Vorbis q0": lambda c: sndfile_code(c.limited, c.rate, format="OGG", subtype="VORBIS", compression_level=1.0),
    "Vorbis q5": lambda c: sndfile_code(c.limited, c.rate, format="OGG", subtype="VORBIS", compression_level=0.5),
    "twice converted": lambda c: store(twice(c)),
}  # fmt: skip
"""Each starts from the band-limited clip; the truth is the low-pass."""
FLOORS = {
    "8 bits, dither": 8, "mu-law": 9, "12 bits": 12, "-30 dB, 16 bits": 11, "-30 dB, 16 bits, dither": 11,
    "-50 dB, 16 bits": 8,
    "noise at -75 dBFS": -75, "noise at -60 dBFS": -60,
}  # fmt: skip
"""The floor of conditions that raise it: bits relative to full scale of the clip, or the noise's level in dBFS."""


def butterworth(order: int, cutoff: float) -> Condition:
    """A Butterworth low-pass, forward and backward."""

    def condition(c: Case) -> Audio:
        return store(signal.sosfiltfilt(signal.butter(order, cutoff, fs=c.rate, output="sos"), c.x, axis=0))

    return condition


ANALOGUE: dict[str, tuple[Condition, float]] = {
    f"Butterworth {order} twice, {hz / 1000:g} kHz": (butterworth(order, hz), float(hz))
    for order, hz in ((4, 6_000), (4, 10_000), (6, 8_000))
}
"""Run forward and backward these are −6 dB at their design frequency."""
CASSETTE_DB = (-70, -60, -50)
CODECS: dict[str, Condition] = {
    "MP3 64 alone": lambda c: ffmpeg_code(c.x, c.rate, ".mp3", "-b:a", "64k"),
    "MP3 96 alone": lambda c: ffmpeg_code(c.x, c.rate, ".mp3", "-b:a", "96k"),
    "MP3 128 alone": lambda c: ffmpeg_code(c.x, c.rate, ".mp3", "-b:a", "128k"),
    "AAC 64 alone": lambda c: ffmpeg_code(c.x, c.rate, ".m4a", "-b:a", "64k"),
    "Opus 16 alone": lambda c: ffmpeg_code(c.x, c.rate, ".opus", "-b:a", "16k", "-ac", "1"),
    "Opus 6 alone": lambda c: ffmpeg_code(c.x, c.rate, ".opus", "-b:a", "6k", "-ac", "1"),
    "GSM": lambda c: ffmpeg_code(c.x, c.rate, ".gsm", "-ar", "8000", "-ac", "1"),
    "G.722": lambda c: ffmpeg_code(c.x, c.rate, ".wav", "-c:a", "g722", "-ar", "16000", "-ac", "1"),
    "Speex 8 kHz": lambda c: ffmpeg_code(c.x, c.rate, ".spx", "-ar", "8000", "-ac", "1"),
    "Speex 16 kHz": lambda c: ffmpeg_code(c.x, c.rate, ".spx", "-ar", "16000", "-ac", "1"),
    "AMR-NB": lambda c: sox_code(c.x, c.rate, ".amr-nb", 8000),
    "telephone 300-3,400 Hz": lambda c: store(telephone(c)),
}
"""Codecs on the unchanged clip. The truth is where white noise ends."""


# ------------------------------------------------------------------ truth


def loud_levels(x: Audio, rate: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Frequencies and the level of the loudest twentieth of the frames in each bin, dB."""
    f, _, s = signal.stft(x.sum(1), rate, nperseg=4096, noverlap=0)
    return f, 20 * np.log10(np.quantile(np.abs(s), 0.95, axis=1) + 1e-12)


def reaches(case: Case, truth: float, floor_db: float) -> bool:
    """Whether the clip had content just above the truth that stands clear of a floor (dB in a bin)."""
    f, level = loud_levels(case.x, case.rate)
    band = (f > truth * 1.02) & (f < truth * 1.2)
    return bool(np.median(level[band]) > floor_db + CLEAR_DB)


def floor_of(condition: str) -> float:
    """The level of a condition's noise in a bin of `loud_levels`, dB: white noise of RMS 1 has −33 dB there."""
    value = FLOORS.get(condition, 16)
    return (value if value < 0 else -6.02 * (value - 1) - 8) - 33


RESAMPLERS = ("sox", "ffmpeg", "scipy resample_poly", "torchaudio", "libsamplerate, fastest", "twice converted")
"""Conditions in which a resampler may cut lower than soxr did; libsamplerate's fastest one is −6 dB at 0.87."""


@functools.cache
def response_end(condition: str, rate: int, cutoff: int) -> float:
    """The −6 dB point of the way down and up again, Hz, by its impulse response."""
    x = np.zeros((2 * rate, 1))
    x[rate] = 0.5
    low = soxr.resample(x, rate, 2 * cutoff, "VHQ")
    y = BAND_LIMITED[condition](Case("impulse", x, rate, low, 2 * cutoff, np.random.default_rng(0)))
    spectrum = np.abs(np.fft.rfft(y[:, 0], 1 << 17))
    below = spectrum < spectrum[: int(1000 / rate * (1 << 17))].mean() / 2
    return float(np.argmax(below) * rate / (1 << 17))


def noise_end(condition: Condition, rate: int, channels: int) -> float:
    """Where white noise ends after a codec, Hz."""
    rng = np.random.default_rng(0)
    x = 0.1 * np.repeat(rng.standard_normal((4 * rate, 1)), channels, 1)
    y = condition(Case("noise", x, rate, x, rate, rng))
    f, after = signal.welch(y[rate:, 0], rate, nperseg=2048)
    level = signal.medfilt(10 * np.log10(after + 1e-20), 7)
    passed = level > np.median(level[(f > 500) & (f < 2500)]) - 10
    return float(f[np.nonzero(passed)[0][-1]])


# ------------------------------------------------------------------ clips


def clips(folders: list[Path], count: int, seconds: float) -> Iterator[tuple[str, Audio, int, float]]:
    """The middle of clips, ordered by a hash of their names: name, audio, rate, and where the manifest says they end."""
    rows = []
    for folder in folders:
        for manifest in sorted(folder.rglob("manifest.csv")):
            for row in csv.DictReader(manifest.open(encoding="utf-8")):
                rate, end = int(row.get("sr") or row["rate"]), float(row["bandwidth_hz"])
                if (
                    end > 15_000
                    and rate <= 48_000
                    and float(row["seconds"]) > 4
                    and (manifest.parent / row["file"]).exists()
                ):
                    rows.append((zlib.crc32(row["file"].encode()), manifest.parent / row["file"], end))
    for _, path, end in sorted(rows)[:count]:
        x, rate = soundfile.read(path, always_2d=True)
        start = max(0, len(x) - int(seconds * rate)) // 2
        yield path.stem, x[start : start + int(seconds * rate), :2], rate, end


def solos(folder: Path | None) -> Iterator[tuple[str, Audio, int, float]]:
    """Originals that end by themselves."""
    for path in sorted([*folder.glob("*.flac"), *folder.glob("*.wav")]) if folder else []:
        x, rate = soundfile.read(path, always_2d=True)
        yield path.stem, x, rate, rate / 2


def synthetic(rate: int = 44_100) -> Iterator[tuple[str, Audio, int, float]]:
    """Made-up originals."""
    rng, t = np.random.default_rng(0), np.arange(10 * rate) / rate
    white = 0.1 * rng.standard_normal(len(t))
    clicks = np.zeros_like(t)
    clicks[rng.integers(0, len(t), 30)] = 0.5
    pitch = 587.0 * 2.0 ** (np.array([0, 4, 7, 12, 7, 4, 0, 5, 9, 12])[t.astype(int)] / 12)
    phase = 2 * np.pi * np.cumsum(pitch * (1 + 0.006 * np.sin(2 * np.pi * 5 * t))) / rate
    breath = signal.lfilter([0.25], [1, -0.75], white)
    flute = 0.3 * (sum(10 ** (-k / 2.5) * np.sin(k * phase) for k in range(1, 11)) + 0.1 * breath)
    since = t % 1.0
    drum = np.exp(-4 * since) * np.sin(2 * np.pi * (45 * since + 2 * (1 - np.exp(-40 * since))))
    organ = 0.05 * sum(np.sin(2 * np.pi * 220 * k * t) for k in (0.5, 1, 1.5, 2, 3, 4, 5, 6, 8))
    signals = {
        "digital silence": 0 * t, "1 kHz tone": 0.5 * np.sin(2 * np.pi * 1000 * t), "white noise": white, "clicks": clicks,
        "noise in bursts": white * (t % 0.7 < 0.4), "brown noise": signal.lfilter([1], [1, -0.999], white) / 30,
        "flute with breath": flute, "808": 0.8 * drum, "driven 808": 0.8 * np.tanh(3 * drum), "drawbar organ": organ,
        "decaying harmonics": 0.05 * sum(np.exp(-since * k) * np.sin(2 * np.pi * 110 * k * t) / k for k in range(1, 60)),
    }  # fmt: skip
    for name, x in signals.items():
        for suffix, y in (("", x[:, None]), (", 16 bits, dither", store(x[:, None], dither=True, rng=rng))):
            yield name + suffix, y, rate, rate / 2


# ------------------------------------------------------------------ measuring


class Detectors:
    """The detectors under test by name."""

    def __init__(self, names: list[str]) -> None:
        self.built = {name: discover().detector(name) for name in names}

    def measure(self, x: Audio, rate: int) -> dict[str, BandwidthTrack]:
        """The tracks of `[time, channel]`, by the detectors' names."""
        block = torch.from_numpy(np.ascontiguousarray(x.T, dtype=np.float32))
        tracks = {}
        for name, detector in self.built.items():
            survey = detector.survey(rate)
            for part in block.split(65_536, -1):
                survey.add(part)
            tracks[name] = survey.finish()
        return tracks


def main_cutoff(track: BandwidthTrack, length: int) -> float:
    """The cut-off that holds for the longest time, Hz."""
    times: dict[float, int] = defaultdict(int)
    for segment, end in zip(track.segments, track.ends(length), strict=True):
        times[segment.bandwidth.cutoff_hz] += end - segment.start
    return max(times, key=lambda cutoff: times[cutoff])


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of audio with a manifest.csv")
    parser.add_argument("--solos", type=Path, help="folder of originals that end by themselves")
    parser.add_argument("--detector", nargs="+", default=["edge-net", "edge-rules"])
    parser.add_argument("--clips", type=int, default=48)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--only", nargs="*", help="these conditions alone; 'originals' is one")
    parser.add_argument("--json", type=Path, help="write every result")
    parser.add_argument("--misses", action="store_true", help="list what was wrong")
    options = parser.parse_args()
    torch.set_num_threads(1)
    detectors = Detectors(options.detector)
    results: list[dict[str, Any]] = []
    ends: dict[tuple[str, int, int], float] = {}
    joined: list[tuple[str, Audio, Audio, int, float]] = []

    def wanted(condition: str) -> bool:
        return not options.only or condition in options.only

    def note(condition: str, name: str, x: Audio, rate: int, truth: float, original: bool = False) -> None:
        for detector, track in detectors.measure(x, rate).items():
            hz = main_cutoff(track, len(x))
            right = hz > min(truth * (1 - NEAR), FULL_BAND_HZ) if original else abs(hz / truth - 1) <= NEAR
            facts = [(s.start / rate, s.bandwidth.cutoff_hz, s.bandwidth.confidence) for s in track.segments]
            cause, codec = track.segments[0].bandwidth.cause, track.segments[0].bandwidth.codec
            results.append({
                "condition": condition, "clip": name, "detector": detector, "truth": truth, "measured": hz,
                "right": bool(right),
                "segments": facts, "cause": cause, "codec": codec, "above": track.segments[0].bandwidth.above,
            })  # fmt: skip

    for index, (name, x, rate, end) in enumerate(clips(options.data, options.clips, options.seconds)):
        cutoff = CUTOFFS[index % len(CUTOFFS)]
        low = soxr.resample(x, rate, 2 * cutoff, quality="VHQ")
        case = Case(name, x, rate, low, 2 * cutoff, np.random.default_rng(index))
        truth = SOXR_6DB * cutoff
        for condition, change in BAND_LIMITED.items():
            if wanted(condition) and reaches(case, truth, floor_of(condition)):
                end_hz = response_end(condition, rate, cutoff) if condition in RESAMPLERS else truth
                note(condition, name, change(case), rate, end_hz)
        for condition, (change, point) in ANALOGUE.items():
            if wanted(condition) and reaches(case, point, floor_of(condition)) and end > 1.5 * point:
                note(condition, name, change(case), rate, point)
        for db in CASSETTE_DB:
            condition = f"cassette to 10 kHz, hiss at {db} dBFS"
            if wanted(condition) and reaches(case, 10_000, db - 33.0) and end > 15_000:
                y = signal.sosfiltfilt(signal.butter(4, 10_000, fs=rate, output="sos"), x, axis=0)
                note(condition, name, store(y + 10 ** (db / 20) * case.rng.standard_normal(y.shape)), rate, 10_000)
        for condition, change in CODECS.items():
            key = (condition, rate, x.shape[1])
            if wanted(condition):
                if key not in ends:
                    ends[key] = noise_end(change, rate, x.shape[1])
                if ends[key] < 0.93 * end and reaches(case, ends[key], floor_of(condition) + 10):
                    note(condition, name, change(case), rate, ends[key])
        if wanted("joined"):
            joined.append((name, x, store(case.limited), rate, truth))
        if wanted("originals"):
            note("originals", name, x, rate, end, original=True)
    for condition, group in (("solos", solos(options.solos)), ("synthetic", synthetic())):
        if wanted(condition):
            for name, x, rate, end in group:
                note(condition, name, x, rate, end, original=True)

    if joined:
        print_changes(joined, detectors)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))
    print_tables(results, options.detector)
    print_causes(results, options.detector[0])
    if options.misses:
        for r in results:
            if not r["right"] and r["detector"] == options.detector[0]:
                parts = " ".join(f"{s:.1f}s:{hz:.0f}({p:.2f})" for s, hz, p in r["segments"][:6])
                print(f"{r['condition']} | {r['clip']} | {r['truth']:.0f} | {parts} | {r['cause']}")


def print_changes(joined: list[tuple[str, Audio, Audio, int, float]], detectors: Detectors) -> None:
    """Join each original, the next clip as a caller, and the original again; count changes that are well placed."""
    counts = dict.fromkeys(detectors.built, (0, 0, 0))
    for (_, x, _, rate, _), (_, _, limited, other_rate, truth) in zip(joined, [*joined[1:], joined[0]], strict=True):
        size = min(len(x), len(limited), int(6.7 * rate))
        if rate != other_rate or size < 4 * rate:
            continue
        channels = min(x.shape[1], limited.shape[1])
        parts = [y[:size, :channels] for y in (x, limited, x[-size:])]
        for name, track in detectors.measure(np.concatenate(parts), rate).items():
            starts = [segment.start / rate for segment in track.segments[1:]]
            cutoffs = [segment.bandwidth.cutoff_hz for segment in track.segments]
            found = [any(abs(start - change) < 0.3 for start in starts) for change in (size / rate, 2 * size / rate)]
            right = len(cutoffs) == 3 and abs(cutoffs[1] / truth - 1) < NEAR and min(cutoffs[0], cutoffs[2]) > 15_000
            total, near, whole = counts[name]
            counts[name] = total + 2, near + sum(found), whole + (right and all(found))
    print(
        "| joined: original, caller, original |"
        + "".join(f" {name} |" for name in counts)
        + "\n|---|"
        + "---|" * len(counts)
    )
    print("| changes within 0.3 s |" + "".join(f" {near} of {total} |" for total, near, _ in counts.values()))
    print("| files with all three parts right |" + "".join(f" {w} of {t // 2} |" for t, _, w in counts.values()) + "\n")


GROUPS = {
    "resampled": (
        "soxr, 16 bits",
        "sox",
        "ffmpeg",
        "scipy resample_poly",
        "linear interpolation",
        "gaps",
        "-30 dB, 16 bits",
    ),
    "lossy": tuple(CODECS),
    "gentle low-pass": (*ANALOGUE, *(f"cassette to 10 kHz, hiss at {db} dBFS" for db in CASSETTE_DB)),
    "originals": ("originals", "solos", "synthetic"),
}


def print_causes(results: list[dict[str, Any]], name: str) -> None:
    """What a detector says was the cause, by what it really was."""
    causes = ("full band", "dark", "resampled", "lossy", "low-pass", "unknown")
    print(f"\n| {name}: what it was | " + " | ".join(causes) + " |\n|---|" + "---|" * len(causes))
    for group, conditions in GROUPS.items():
        said = [r["cause"] for r in results if r["condition"] in conditions and r["detector"] == name]
        print(f"| {group} | " + " | ".join(str(said.count(cause)) for cause in causes) + " |")


ORIGINALS = ("originals", "solos", "synthetic")


def print_tables(results: list[dict[str, Any]], names: list[str]) -> None:
    """A row for each condition, a column for each detector."""
    print("| condition |" + "".join(f" {name} |" for name in names) + "\n|---|" + "---|" * len(names))
    conditions = list(dict.fromkeys(r["condition"] for r in results))
    for condition in conditions:
        cells = []
        for name in names:
            rows = [r["right"] for r in results if r["condition"] == condition and r["detector"] == name]
            cells.append(f" {sum(rows)} of {len(rows)} |")
        print(f"| {condition} |" + "".join(cells))
    for title, originals in (("all band-limited", False), ("all originals", True)):
        cells = []
        for name in names:
            rows = [r["right"] for r in results if (r["condition"] in ORIGINALS) == originals and r["detector"] == name]
            cells.append(f" {sum(rows)} of {len(rows)} = {100 * sum(rows) / max(1, len(rows)):.1f} % |")
        print(f"| **{title}** |" + "".join(cells))


if __name__ == "__main__":
    shutil.which("ffmpeg") or print("ffmpeg is missing")
    main()
