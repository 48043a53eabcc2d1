"""Loudspeakers are kept into every format that can name them, and a warning tells where one cannot."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from upscaler_core import AudioInfo, Registry
from upscaler_core.dsp import SPEAKERS, default_layout
from upscaler_core.files import open_recording
from upscaler_files import plugin

RATE = 48_000
REGISTRY = Registry(points=(), plugins={"files": plugin})
GUID = bytes.fromhex("000000001000800000aa00389b71")


def wav(path: Path, mask: int, channels: int) -> Path:
    """A second of a tone in each channel, of 100 Hz, 120 Hz and so on; the bass channel, the fourth, has less than 200."""
    time = np.arange(RATE) / RATE
    audio = np.stack([0.1 * np.sin(2 * np.pi * (100 + 20 * n) * time) for n in range(channels)], 1)
    data = np.round(audio * 32767).astype("<i2").tobytes()
    plain = struct.pack("<HHIIHH", 0xFFFE, channels, RATE, RATE * 2 * channels, 2 * channels, 16)
    form = plain + struct.pack("<HHIH", 22, 16, mask, 1) + GUID
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


def converted(source: Path, target: Path) -> tuple[AudioInfo, list[int], str | None]:
    """What is read of a copy in another format, each channel's tone, and the warning."""
    with open_recording(source, REGISTRY) as recording:
        info, audio = recording.info, torch.cat(list(recording.blocks()), 1)
    exporter = REGISTRY.exporter(target.suffix[1:])
    with exporter.open(target, RATE, info.channels, info) as sink:
        sink.write(audio)
    with open_recording(target, REGISTRY) as recording:
        copy = torch.cat(list(recording.blocks()), 1)[:, :RATE]
        tones = torch.fft.rfft(copy).abs().argmax(1).tolist()
        return recording.info, tones, exporter.layout_warning(info.layout)


LAYOUTS = {
    0x0B: "FL FR LFE",
    0x0F: "FL FR FC LFE",
    0x107: "FL FR FC BC",
    0x33: "FL FR BL BR",
    0x3F: "FL FR FC LFE BL BR",
    0x60F: "FL FR FC LFE SL SR",
    0x70F: "FL FR FC LFE BC SL SR",
    0x63F: "FL FR FC LFE BL BR SL SR",
    0xFF: "FL FR FC LFE BL BR FLC FRC",
    0x30: "BL BR",
}
IN_VORBIS = (0x33, 0x3F, 0x60F, 0x70F, 0x63F)


@pytest.mark.parametrize("mask", LAYOUTS)
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg"])
def test_loudspeakers_are_kept_or_told(mask: int, suffix: str, tmp_path: Path) -> None:
    names = tuple(LAYOUTS[mask].split())
    info, tones, warning = converted(wav(tmp_path / "in.wav", mask, len(names)), tmp_path / f"out{suffix}")
    assert tones == [100 + 20 * n for n in range(len(names))]
    if suffix == ".ogg" and mask not in IN_VORBIS:
        assert warning and ", ".join(names) in warning and info.layout == default_layout(len(names))
    else:
        assert warning is None
        assert info.layout == (default_layout(6) if suffix == ".ogg" and mask == 0x60F else names)


def test_flac_to_wav_keeps_what_a_comment_says(tmp_path: Path) -> None:
    converted(wav(tmp_path / "in.wav", 0x0B, 3), tmp_path / "x.flac")
    info, _, _ = converted(tmp_path / "x.flac", tmp_path / "out.wav")
    assert info.layout == ("FL", "FR", "LFE")


def test_without_mutagen_flac_tells_what_it_cannot_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upscaler_files.flac.find_spec", lambda name: None)
    exporter = REGISTRY.exporter("flac")
    assert "FL, FR, LFE" in (exporter.layout_warning(["FL", "FR", "LFE"]) or "")
    assert exporter.layout_warning(default_layout(6)) is None


@pytest.mark.parametrize("channels", [1, 2])
def test_mono_and_stereo_stay_plain_wav(channels: int, tmp_path: Path) -> None:
    converted(wav(tmp_path / "in.wav", (0, 4, 3)[channels], channels), tmp_path / "out.wav")
    assert (tmp_path / "out.wav").read_bytes()[56:58] == b"\1\0"


def test_a_loudspeaker_without_a_bit_is_told() -> None:
    warning = REGISTRY.exporter("wav").layout_warning(["FL", "FR", "WL", "WR"])
    assert warning and "WL, WR" in warning
    assert REGISTRY.exporter("wav").layout_warning(SPEAKERS) is None


def test_a_mask_of_too_few_bits_names_nothing(tmp_path: Path) -> None:
    with open_recording(wav(tmp_path / "in.wav", 3, 4), REGISTRY) as recording:
        assert recording.info.layout == ()
