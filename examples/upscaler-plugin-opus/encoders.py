"""Measures the bit rates of the README: real speech, by libsndfile and by this plugin.

python examples/upscaler-plugin-opus/encoders.py examples/audio/speech_kerstin_de_cc0_48k.flac
"""

import sys
import tempfile
from pathlib import Path

import soundfile as sf
import torch
from upscaler_core import discover

samples, rate = sf.read(sys.argv[1], dtype="float32", always_2d=True)
seconds, channels = len(samples) / rate, samples.shape[1]
print(f"{seconds:.1f} s, {channels} channels at {rate} Hz, libsndfile {sf.__libsndfile_version__}")
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "x.opus"
    for mode in (None, "CONSTANT", "AVERAGE", "VARIABLE"):
        for level in (0.0, 0.5, 1.0):
            settings = {"format": "OGG", "subtype": "OPUS", "compression_level": level, "bitrate_mode": mode}
            try:
                sf.write(path, samples, rate, **settings)
                print(f"libsndfile mode={mode} level={level}: {path.stat().st_size * 8 / seconds / 1000:.0f} kbit/s")
            except sf.SoundFileError as error:
                print(f"libsndfile mode={mode} level={level}: {error}")
    for mode in ("vbr", "cvbr", "cbr"):
        for kbps in (12, 64, 255):
            exporter = discover().exporter("opus", mode=mode, kbps_a_channel=kbps)
            with exporter.open(path, rate, channels) as sink:
                sink.write(torch.from_numpy(samples.T))
            print(f"ffmpeg mode={mode} asked={kbps}: {path.stat().st_size * 8 / seconds / 1000:.0f} kbit/s a channel")
