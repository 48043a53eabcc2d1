"""Writing WAV, RF64 and FLAC."""

from __future__ import annotations

import errno
import io
import os
import struct
import subprocess
import sys
import time
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor

from upscaler_core import AudioInfo, OutputError, discover
from upscaler_core.files import open_recording
from upscaler_core.files.tags.reading import complete_tags
from upscaler_files import plugin, wav
from upscaler_files.flac import FlacExporter
from upscaler_files.guarded_file import GuardedFile
from upscaler_files.options import FlacOptions, WavOptions
from upscaler_files.reader import SoundFileReader
from upscaler_files.wav import WavExporter

RATE = 48_000


def music(frames: int, channels: int = 2, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(channels, frames, generator=torch.Generator().manual_seed(seed))


def exporter(kind: str, **options: Any) -> WavExporter | FlacExporter:
    return WavExporter(WavOptions(**options)) if kind == "wav" else FlacExporter(FlacOptions(**options))


def write(path: Path, audio: Tensor, kind: str = "wav", rate: int = RATE, block: int = 10_000, **options: Any) -> int:
    arguments = {name: options.pop(name) for name in ("source", "seed") if name in options}
    with exporter(kind, **options).open(path, rate, audio.shape[0], **arguments) as sink:
        for start in range(0, audio.shape[1], block):
            sink.write(audio[:, start : start + block])
    return sink.clipped


def read(path: Path) -> Tensor:
    with SoundFileReader().open(path) as source:
        audio = torch.cat(list(source.blocks(65_536)), 1)
        assert source.damage is None
    return audio


def chunks(data: bytes) -> dict[bytes, bytes]:
    at, content = 12, {}
    while at < len(data):
        size = struct.unpack("<I", data[at + 4 : at + 8])[0]
        content[data[at : at + 4]] = data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    assert at == len(data)
    return content


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out.part"


# What is written


@pytest.mark.parametrize(("kind", "bits"), [("wav", 16), ("wav", 24), ("wav", 32), ("flac", 16), ("flac", 24)])
def test_integers(path: Path, kind: str, bits: int) -> None:
    audio = music(30_001)
    assert write(path, audio, kind, bits=bits) == 0
    info = sf.info(path)
    assert (info.format, info.subtype, info.frames, info.samplerate) == (kind.upper(), f"PCM_{bits}", 30_001, RATE)
    assert (read(path) - audio).abs().max() <= 1.51 * 2.0 ** (1 - bits) + 2.0**-24  # half an LSB and the dither


def test_float_is_exact_and_unlimited(path: Path) -> None:
    audio = 30 * music(30_001)
    assert write(path, audio, bits="float") == 0
    assert sf.info(path).subtype == "FLOAT"
    assert torch.equal(read(path), audio)


def test_sixteen_bits_come_through_exactly(tmp_path: Path) -> None:
    codes = torch.randint(-32_768, 32_768, (2, 20_000), dtype=torch.int16)
    sf.write(tmp_path / "in.wav", codes.T.numpy(), 44_100, subtype="PCM_16")
    audio = read(tmp_path / "in.wav")
    for kind in ("wav", "flac"):
        for bits, shift in ((16, 0), (24, 8)):
            write(tmp_path / "out", audio, kind, 44_100, bits=bits, dither="none")
            back = sf.read(tmp_path / "out", dtype="int32")[0].T
            assert np.array_equal(back >> (16 - shift), codes.numpy().astype(np.int32) << shift)


def test_the_last_of_24_bits_is_written(path: Path) -> None:
    codes = torch.tensor([[0, 1, -1, 2**23 - 1, -(2**23), 12_345_67]], dtype=torch.float64)
    for kind in ("wav", "flac"):
        write(path, (codes / 2**23).float(), kind, bits=24, dither="none")
        assert (sf.read(path, dtype="int32")[0] >> 8).tolist() == codes[0].tolist()


@pytest.mark.parametrize(
    ("source", "subtype"),
    [
        (None, "PCM_24"),
        (AudioInfo(RATE, 1, 1, "MP3"), "PCM_24"),
        (AudioInfo(RATE, 1, 1, "WAV", bits=16), "PCM_24"),
        (AudioInfo(RATE, 1, 1, "WAV", bits=32), "PCM_32"),
        (AudioInfo(RATE, 1, 1, "WAV", bits=32, floating=True), "FLOAT"),
        (AudioInfo(RATE, 1, 1, "WAV", bits=64, floating=True), "FLOAT"),
    ],
)
def test_never_fewer_bits_than_the_source(path: Path, source: AudioInfo | None, subtype: str) -> None:
    write(path, music(100, 1), source=source)
    assert sf.info(path).subtype == subtype
    write(path, music(100, 1), "flac", source=source)
    assert sf.info(path).subtype == "PCM_24"


@pytest.mark.parametrize("frames", [0, 1, 999, 1_000])
@pytest.mark.parametrize("bits", [16, 24])
def test_small_wav_is_plain_wav(path: Path, frames: int, bits: int) -> None:
    write(path, music(frames, 1), bits=bits)
    with wave.open(str(path)) as file:
        assert file.getparams()[:4] == (1, bits // 8, RATE, frames)
    data = path.read_bytes()
    assert data[:4] == b"RIFF" and struct.unpack("<I", data[4:8])[0] == len(data) - 8
    assert list(chunks(data)) == [b"JUNK", b"fmt ", b"data"]


@pytest.mark.parametrize("channels", [3, 6, 64])
@pytest.mark.parametrize("bits", [24, "float"])
def test_many_channels_are_extensible(path: Path, channels: int, bits: int | str) -> None:
    audio = music(2_000, channels)
    write(path, audio, bits=bits)
    assert sf.info(path).format == "WAVEX"
    assert torch.allclose(read(path), audio, atol=2.0**-22)


def test_float_wav_states_its_length_in_fact(path: Path) -> None:
    write(path, music(777), bits="float")
    content = chunks(path.read_bytes())
    assert struct.unpack("<I", content[b"fact"]) == (777,) and b"PEAK" not in content


def test_beyond_the_limit_wav_becomes_rf64(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wav, "_LIMIT", 100_000)
    monkeypatch.setattr(
        wav.struct, "pack", lambda form, *v: PACK(form, *(0xFFFFFFFF if x == 100_000 else x for x in v))
    )
    for bits in (24, "float"):
        audio = music(50_000, 3)
        write(path, audio, bits=bits)
        data = path.read_bytes()
        assert data[:4] == b"RF64" and data[12:16] == b"ds64"
        assert struct.unpack("<QQQ", data[20:44])[0] == len(data) - 8
        info = sf.info(path)
        assert (info.format, info.frames) == ("RF64", 50_000)
        assert torch.allclose(read(path), audio, atol=2.0**-22)


PACK = struct.pack


def test_an_unfinished_wav_can_be_read(path: Path) -> None:
    audio = music(5_000)

    def interrupted() -> None:
        with exporter("wav", bits="float").open(path, RATE, 2) as sink:
            sink.write(audio)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert torch.equal(read(path), audio)


@pytest.mark.parametrize(("kind", "bits"), [("wav", 24), ("wav", "float"), ("flac", 24)])
def test_same_input_same_bytes_whatever_the_clock_and_the_blocks(tmp_path: Path, kind: str, bits: int | str) -> None:
    audio, info = music(50_000, 3), AudioInfo(RATE, 3, 1, "x", tags={"title": ["T"]}, floating=True)
    write(tmp_path / "a", audio, kind, bits=bits, seed=3, source=info)
    time.sleep(1.1)
    write(tmp_path / "b", audio, kind, bits=bits, seed=3, source=info, block=777)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_compression_changes_the_size_only(tmp_path: Path) -> None:
    audio = torch.sin(torch.arange(100_000) * 0.03)[None] * 0.5
    for level in (0, 8):
        write(tmp_path / str(level), audio, "flac", compression=level)
    assert (tmp_path / "8").stat().st_size < (tmp_path / "0").stat().st_size
    assert torch.equal(read(tmp_path / "8"), read(tmp_path / "0"))


TAGS = {
    "title": ["Tïtle 曲"],
    "artist": ["A", "B"],
    "album": ["An album"],
    "date": ["1999"],
    "tracknumber": ["3"],
    "genre": ["Jazz"],
    "comment": ["odd"],
    "copyright": ["C"],
}


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_tags_are_carried_over(path: Path, kind: str) -> None:
    unwanted = {"replaygain_track_gain": ["-3 dB"], "software": ["x"]}
    source = AudioInfo(RATE, 2, 1, "x", tags={**TAGS, **unwanted})
    write(path, music(1_000), kind, source=complete_tags(source, path))
    with open_recording(path, discover()) as written:
        carried = {name: "; ".join(texts) for name, texts in written.info.tags.items()}
        assert carried == {name: "; ".join(texts) for name, texts in TAGS.items()}
    assert b"replaygain" not in path.read_bytes().lower()
    if kind == "wav":
        with wave.open(str(path)) as file:
            assert file.getnframes() == 1_000


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_strange_tags_do_no_harm(path: Path, kind: str) -> None:
    source = AudioInfo(RATE, 2, 1, "x", tags={"title": ["a\0b\udcff"], "artist": [], "comment": ["y" * 100_000]})
    write(path, music(1_000), kind, source=source, bits=24)
    assert read(path).shape == (2, 1_000)


@settings(max_examples=50, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(
    kind=st.sampled_from([("wav", 16), ("wav", 24), ("wav", 32), ("wav", "float"), ("flac", 16), ("flac", 24)]),
    frames=st.integers(1, 20_000),
    channels=st.integers(1, 8),
    rate=st.sampled_from([1_000, 44_100, 96_000, 384_000]),
    block=st.integers(1, 30_000),
)
def test_any_shape(
    tmp_path: Path, kind: tuple[str, int | str], frames: int, channels: int, rate: int, block: int
) -> None:
    audio = music(frames, channels)
    write(tmp_path / "any", audio, kind[0], rate, max(block, frames // 50), bits=kind[1])
    with SoundFileReader().open(tmp_path / "any") as source:
        assert (source.info.rate, source.info.channels, source.info.frames) == (rate, channels, frames)
    assert torch.allclose(read(tmp_path / "any"), audio, atol=2.0**-14)


# What is refused


def test_limits_are_said_with_what_to_do() -> None:
    flac = FlacExporter()
    assert flac.refuse(44_100, 8) is None and flac.refuse(655_350, 1) is None and flac.refuse(65_535, 2) is None
    assert flac.refuse(44_100, 9) == "FLAC holds 1 to 8 channels, not 9: write WAV instead"
    assert "655,350" in (flac.refuse(705_600, 2) or "") and "88,200" in (flac.refuse(88_201, 2) or "")
    assert WavExporter().refuse(768_000, 1_024) is None
    assert "1,024" in (WavExporter().refuse(48_000, 1_025) or "") and WavExporter().refuse(768_001, 2)


@pytest.mark.parametrize("rate", [1, 1_000, 65_535, 88_210, 655_350])
def test_every_rate_that_flac_does_not_refuse_is_written(path: Path, rate: int) -> None:
    write(path, music(100, 1), "flac", rate)
    assert sf.info(path).samplerate == rate


def test_open_refuses_too(path: Path) -> None:
    with pytest.raises(OutputError, match="8 channels"):
        FlacExporter().open(path, RATE, 9)
    with pytest.raises(OutputError, match="1,024"):
        WavExporter().open(path, RATE, 2_000)
    assert not path.exists()


def test_options() -> None:
    assert WavOptions(bits="24").bits == 24 and WavOptions(bits="float").bits == "float"  # type: ignore[arg-type]
    for wrong in ({"bits": 20}, {"bits": "twenty"}, {"dither": "loud"}, {"level": 3}):
        with pytest.raises(ValidationError):
            WavOptions(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        FlacOptions(bits=32)  # type: ignore[arg-type]
    assert {component.name for component in plugin.upscaler_exporters()} >= {"wav", "flac"}


def test_what_is_not_a_block(path: Path) -> None:
    with WavExporter().open(path, RATE, 2) as sink:
        for wrong in (torch.zeros(3, 10), torch.zeros(10), torch.zeros(1, 2, 10)):
            with pytest.raises(ValueError):
                sink.write(wrong)
        with pytest.raises(OutputError, match="finite"):
            sink.write(torch.full((2, 10), torch.nan))


def test_clipping_is_counted(path: Path) -> None:
    assert write(path, torch.full((2, 5_000), 1.5), bits=24) == 10_000
    assert write(path, torch.full((2, 5_000), 1.5), "flac") == 10_000
    assert write(path, torch.full((2, 5_000), 1.5), bits="float") == 0


def test_a_flac_of_nothing(path: Path) -> None:
    with pytest.raises(OutputError, match="no audio"):
        write(path, music(0), "flac")


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_places_that_cannot_be_written(tmp_path: Path, kind: str) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        exporter(kind).open(tmp_path / "absent" / "x", RATE, 2)
    with pytest.raises(OutputError):
        exporter(kind).open(tmp_path, RATE, 2)


# Full disks


class Full(io.FileIO):
    """A file on a disk that holds `room` bytes."""

    room = 0

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        if self.tell() + size > self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data) or 0


@pytest.mark.parametrize(("kind", "frames"), [("wav", 20_000), ("flac", 20_000), ("wav", 100), ("flac", 100)])
@pytest.mark.parametrize("buffered", [False, True])
def test_a_full_disk_is_never_lost(
    path: Path, kind: str, frames: int, buffered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    audio = music(frames)
    write(path, audio, kind)
    size = path.stat().st_size
    real = Path.open
    for room in {0, 10, 100, size // 2, size - 1}:

        def opened(self: Path, mode: str, room: int = room) -> Any:
            if mode != "w+b":
                return real(self, mode)
            file = Full(self, mode)
            file.room = room
            return io.BufferedRandom(file) if buffered else file

        with monkeypatch.context() as patch:
            patch.setattr(Path, "open", opened)
            with pytest.raises(OutputError, match="the disk is full"):
                write(path, audio, kind)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("kind", ["wav", "flac"])
@pytest.mark.parametrize("frames", [10, 100_000])
def test_a_device_that_is_always_full(kind: str, frames: int) -> None:
    with pytest.raises(OutputError):
        write(Path("/dev/full"), music(frames), kind)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="file size limits are a Unix matter")
@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_the_operating_systems_limit_on_file_size(tmp_path: Path, kind: str) -> None:
    program = f"""
import resource, signal, torch
from pathlib import Path
from upscaler_core import OutputError
from upscaler_files.flac import FlacExporter
from upscaler_files.wav import WavExporter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    with {"WavExporter" if kind == "wav" else "FlacExporter"}().open(Path("out"), 48_000, 2) as sink:
        for _ in range(20):
            sink.write(torch.randn(2, 10_000) / 10)
except OutputError as error:
    print(error)
"""
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "the file grew beyond the size that is allowed here\n"
    assert result.stderr == ""


def test_an_interrupt_inside_a_callback_is_not_swallowed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: GuardedFile, data: bytes) -> int:
        raise KeyboardInterrupt

    sink = FlacExporter().open(path, RATE, 1)
    monkeypatch.setattr(GuardedFile, "_write", interrupted)
    with pytest.raises(KeyboardInterrupt), sink:
        sink.write(music(200_000, 1))
