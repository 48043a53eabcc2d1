"""A WAV file of more than 4 GiB, for real: `pytest -m large`."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import pytest
import torch

from upscaler_core import discover
from upscaler_core.files import open_recording

CHANNELS, BLOCK, BLOCKS = 8, 1 << 20, 129
FRAMES = BLOCK * BLOCKS + 1_000
AUDIO = FRAMES * CHANNELS * 4  # bytes
END = torch.arange(CHANNELS * 1_000).reshape(CHANNELS, 1_000) / 10_000


@pytest.mark.large
def test_beyond_4_gib_wav_becomes_rf64(tmp_path: Path) -> None:
    room = shutil.disk_usage(tmp_path).free
    assert room > 1.1 * AUDIO, f"{room:,} bytes are free in {tmp_path}, and the file takes {AUDIO:,}"
    path = tmp_path / "large.wav"
    with discover().exporter("wav", bits="float").open(path, 192_000, CHANNELS) as sink:
        for _ in range(BLOCKS):
            sink.write(torch.zeros(CHANNELS, BLOCK))
        sink.write(END)
    size = path.stat().st_size
    with path.open("rb") as file:
        riff, short, wave, ds64, length = struct.unpack("<4sI4s4sI", file.read(20))
        assert (riff, short, wave, ds64, length) == (b"RF64", 0xFFFFFFFF, b"WAVE", b"ds64", 28)
        assert struct.unpack("<QQQ", file.read(24)) == (size - 8, AUDIO, FRAMES)
        file.seek(size - 4 * CHANNELS)
        assert struct.unpack("<8f", file.read()) == tuple(END[:, -1].tolist())
    with open_recording(path, discover()) as source:
        assert (source.info.frames, source.info.format) == (FRAMES, "RF64, 32-bit float")
        read = 0
        for block in source.blocks(BLOCK):
            read += block.shape[-1]
        assert (read, source.damage) == (FRAMES, None)
        assert torch.equal(block[:, -1_000:], END)
    path.unlink()
