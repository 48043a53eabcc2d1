"""Lossy codecs, by libsndfile and ffmpeg, each with the place where white noise ends after it."""

from __future__ import annotations

import functools
import io
import math
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from recording import Audio, Sim
from scipy import signal

CODER_TABLE: list[tuple[str, float, dict[str, Any]]] = [
    *(("MP3", kbps, {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": "CONSTANT", "compression_level": level})
      for kbps, level in ((64, 0.85), (96, 0.75), (128, 0.65), (160, 0.5), (192, 0.4), (256, 0.25), (320, 0.0))),
    *(("MP3", kbps, {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": "VARIABLE", "compression_level": level})
      for kbps, level in ((245, 0.0), (190, 0.2), (165, 0.4), (115, 0.6))),
    *(("Vorbis", kbps, {"format": "OGG", "subtype": "VORBIS", "compression_level": 1 - q / 10})
      for kbps, q in ((64, 0), (80, 1), (112, 3), (128, 4), (160, 5), (192, 6))),
    *(("Opus", kbps, {"ffmpeg": ["-c:a", "libopus", "-b:a", f"{kbps}k"], "suffix": ".opus"})
      for kbps in (6, 8, 12, 16, 24, 32, 48, 64, 96)),
    *(("AAC", kbps, {"ffmpeg": ["-c:a", "aac", "-b:a", f"{kbps}k"], "suffix": ".m4a"})
      for kbps in (48, 64, 96, 128, 192, 256)),
    *(("MP3", kbps, {"ffmpeg": ["-c:a", "libmp3lame", *mode], "suffix": ".mp3"})
      for kbps, mode in ((245, ["-q:a", "0"]), (190, ["-q:a", "2"]), (128, ["-b:a", "128k", "-joint_stereo", "0"]))),
    ("AAC", 128, {"ffmpeg": ["-c:a", "wmav2", "-b:a", "128k"], "suffix": ".wma"}),
    ("telephone", 13, {"ffmpeg": ["-c:a", "libgsm", "-ar", "8000", "-ac", "1"], "suffix": ".gsm"}),
    ("telephone", 16, {"ffmpeg": ["-c:a", "libspeex", "-ar", "16000", "-ac", "1", "-b:a", "16k"], "suffix": ".spx"}),
    ("telephone", 64, {"ffmpeg": ["-c:a", "g722", "-ar", "16000", "-ac", "1"], "suffix": ".wav"}),
    ("telephone", 64, {"ffmpeg": ["-c:a", "pcm_mulaw", "-ar", "8000"], "suffix": ".wav"}),
    ("telephone", 32, {"ffmpeg": ["-c:a", "adpcm_ima_wav", "-ar", "22050"], "suffix": ".wav"}),
]  # fmt: skip


def code(x: Audio, rate: int, how: dict[str, Any]) -> Audio:
    """Encode and decode `[time, channel]`, by libsndfile or ffmpeg; the result has the input's rate and channels."""
    if "ffmpeg" not in how:
        file = io.BytesIO()
        with soundfile.SoundFile(file, "w", rate, x.shape[1], **how) as out:
            for start in range(0, len(x), 65_536):
                out.write(x[start : start + 65_536])
        file.seek(0)
        return soundfile.read(file, always_2d=True)[0]
    with tempfile.TemporaryDirectory() as folder:
        source, coded = Path(folder) / "x.wav", Path(folder) / f"y{how['suffix']}"
        soundfile.write(source, x, rate, subtype="FLOAT")
        ffmpeg = ["ffmpeg", "-v", "error", "-threads", "1", "-y"]
        subprocess.run([*ffmpeg, "-i", source, *how["ffmpeg"], coded], check=True)
        raw = subprocess.run(
            [*ffmpeg, "-i", coded, "-ar", str(rate), "-ac", str(x.shape[1]), "-c:a", "pcm_f32le", "-f", "f32le", "-"],
            check=True, capture_output=True,
        ).stdout  # fmt: skip
    return np.frombuffer(raw, np.float32).reshape(-1, x.shape[1]).astype(np.float64)


@functools.cache
def coder_end(index: int, rate: int, channels: int) -> float:
    """Where white noise ends after a codec, Hz; infinite where it keeps all."""
    rng = np.random.default_rng(1)
    x = np.repeat(0.1 * rng.standard_normal((4 * rate, 1)), channels, 1)
    y = code(x, rate, CODER_TABLE[index][2])[rate // 2 : 7 * rate // 2]
    f, before = signal.welch(x[: len(y), 0], rate, nperseg=2048)
    _, after = signal.welch(y[:, 0], rate, nperseg=2048)
    passed = signal.medfilt(10 * np.log10(after + 1e-20), 5) > 10 * np.log10(before.mean()) - 9
    end = float(f[np.nonzero(passed)[0][-1]])
    return end if end < 0.93 * rate / 2 else math.inf


def coded(sim: Sim) -> None:
    """Through a lossy codec."""
    index = int(sim.rng.integers(len(CODER_TABLE)))
    codec, kbps, how = CODER_TABLE[index]
    end = coder_end(index, sim.rate, sim.x.shape[1])
    sim.x = code(np.clip(sim.x, -1, 1), sim.rate, how)
    sim.truth.codec, sim.truth.kbps = codec, kbps
    if end < sim.truth.cutoff_hz * 1.03:
        sim.truth.cutoff_hz, sim.truth.order, sim.truth.cause = min(end, sim.truth.cutoff_hz), 60, "lossy"
    elif math.isinf(sim.truth.cutoff_hz):
        sim.truth.cause = "lossy"
    sim.steps.append(f"{codec}{kbps:g}")
