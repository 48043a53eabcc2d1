"""Reading: every format, every kind of damage."""

from __future__ import annotations

import io
import os
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from upscaler_core import InputError, Registry
from upscaler_core.files import open_recording
from upscaler_core.plugins import Source
from upscaler_files import plugin

RATE = 48_000
REGISTRY = Registry(points=(), plugins={"files": plugin})


def music(frames: int, channels: int = 2, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    tone = np.sin(np.arange(frames) * 0.05)[:, None]
    return (0.3 * tone + 0.05 * generator.standard_normal((frames, channels))).astype(np.float32)


def encoded(container: str, coding: str, audio: np.ndarray, rate: int = RATE, **settings: object) -> bytearray:
    file = io.BytesIO()
    with sf.SoundFile(file, "w", rate, audio.shape[1], format=container, subtype=coding, **settings) as sound:
        for start in range(0, len(audio), 65_536):
            sound.write(audio[start : start + 65_536])
    return bytearray(file.getvalue())


def opened(path: Path, data: bytes | None = None) -> Source:
    if data is not None:
        path.write_bytes(data)
    return open_recording(path, REGISTRY)


def all_samples(source: Source, frames: int = 10_000) -> torch.Tensor:
    return torch.cat(list(source.blocks(frames)), 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audio"


# What is read


@pytest.mark.parametrize(
    ("container", "coding", "description", "bits", "floating"),
    [
        ("WAV", "PCM_U8", "WAV, 8-bit PCM", 8, False),
        ("WAV", "PCM_16", "WAV, 16-bit PCM", 16, False),
        ("WAVEX", "PCM_24", "WAV, 24-bit PCM", 24, False),
        ("WAV", "PCM_32", "WAV, 32-bit PCM", 32, False),
        ("WAV", "FLOAT", "WAV, 32-bit float", 32, True),
        ("WAV", "DOUBLE", "WAV, 64-bit float", 64, True),
        ("WAV", "ULAW", "WAV, U-Law", None, False),
        ("WAV", "MS_ADPCM", "WAV, Microsoft ADPCM", None, False),
        ("RF64", "PCM_24", "RF64, 24-bit PCM", 24, False),
        ("W64", "PCM_24", "W64, 24-bit PCM", 24, False),
        ("FLAC", "PCM_24", "FLAC, 24-bit PCM", 24, False),
        ("OGG", "VORBIS", "Ogg, Vorbis", None, False),
        ("OGG", "OPUS", "Ogg, Opus", None, False),
        ("MP3", "MPEG_LAYER_III", "MP3, MPEG Layer III", None, False),
        ("AIFF", "PCM_24", "AIFF, 24-bit PCM", 24, False),
        ("CAF", "ALAC_16", "CAF, 16-bit ALAC", 16, False),
        ("AU", "PCM_16", "AU, 16-bit PCM", 16, False),
        ("VOC", "PCM_16", "VOC, 16-bit PCM", 16, False),
        ("IRCAM", "PCM_16", "IRCAM, 16-bit PCM", 16, False),
        ("NIST", "PCM_16", "NIST Sphere, 16-bit PCM", 16, False),
        ("AVR", "PCM_16", "AVR, 16-bit PCM", 16, False),
        ("PAF", "PCM_24", "PAF, 24-bit PCM", 24, False),
        ("PVF", "PCM_16", "PVF, 16-bit PCM", 16, False),
        ("MAT5", "FLOAT", "MAT5, 32-bit float", 32, True),
    ],
)
def test_formats(path: Path, container: str, coding: str, description: str, bits: int | None, floating: bool) -> None:
    audio = music(20_000)
    data = encoded(container, coding, audio)
    with opened(path, data) as source:
        info = source.info
        assert (info.rate, info.channels, info.format) == (RATE, 2, description)
        assert (info.bits, info.floating) == (bits, floating)
        blocks = list(source.blocks(3_000))
        assert all(block.dtype == torch.float32 and block.is_contiguous() for block in blocks)
        assert [block.shape[1] for block in blocks[:-1]] == [3_000] * (len(blocks) - 1)
        read = torch.cat(blocks, 1)
        assert torch.equal(read, torch.from_numpy(sf.read(io.BytesIO(data), dtype="float32")[0].T))
        assert read.shape[1] == info.frames
        assert source.damage is None
        if bits:
            assert (read - torch.from_numpy(audio.T)).abs().max() <= 2.0 ** (1 - min(bits, 24))
        assert torch.equal(all_samples(source, 7_777), read)  # from the first sample, whatever the blocks


def test_passes_do_not_disturb_each_other(path: Path) -> None:
    source = opened(path, encoded("FLAC", "PCM_16", music(9_000)))
    first, second = source.blocks(1_000), source.blocks(1_000)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_the_record_names_every_suffix_that_libsndfile_takes() -> None:
    (reader,) = plugin.upscaler_readers()
    for suffix in (".wav", ".rf64", ".w64", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".caf", ".au", ".voc"):
        assert suffix in reader.suffixes
    assert ".raw" not in reader.suffixes


def test_tags(path: Path) -> None:
    with sf.SoundFile(path, "w", RATE, 1, format="FLAC", subtype="PCM_16") as sound:
        sound.title, sound.artist, sound.album, sound.date = "Tïtle", "Ärtist", "Album", "1999"
        sound.tracknumber, sound.genre, sound.comment = "3", "Jazz", "x"
        sound.write(music(100, 1))
    tags = opened(path).info.tags
    assert tags["title"] == ("Tïtle",) and tags["artist"] == ("Ärtist",) and tags["tracknumber"] == ("3",)
    assert set(tags) == {"title", "artist", "album", "date", "tracknumber", "genre", "comment"}


def test_file_names_that_are_not_utf8(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9 \xff.wav"))
    try:
        path.write_bytes(encoded("WAV", "PCM_16", music(100)))
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    assert all_samples(opened(path)).shape == (2, 100)


def test_memory_does_not_hold_the_file(path: Path) -> None:
    source = opened(path, encoded("WAV", "PCM_16", music(200_000, 1)))
    assert max(block.shape[1] for block in source.blocks(4_096)) == 4_096
    assert len(list(source.blocks(1 << 62))) == 1


# What is refused


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"hello, this is not audio at all" * 100, "not audio"),
        (bytes(5_000), "not audio"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "not audio"),
        (bytes(encoded("WAV", "PCM_16", music(0))), "no audio"),
        (bytes(encoded("WAV", "PCM_16", music(10), rate=1)), "sample rate of 1 Hz"),
        (bytes(encoded("WAV", "PCM_16", music(10), rate=2_000_000)), "sample rate of 2,000,000 Hz"),
        (bytes(encoded("WAV", "PCM_16", music(10, 65))), "65 channels"),
    ],
)
def test_refusals(path: Path, data: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words) as refusal:
        opened(path, data)
    assert str(refusal.value).startswith(f"{path} cannot be read: ") and "\n" not in str(refusal.value)


def test_a_headerless_au_is_not_taken_for_audio(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not audio"):
        opened(tmp_path / "noise.au", bytes(range(256)) * 50)
    with pytest.raises(InputError, match="not audio"):
        opened(tmp_path / "noise.raw", bytes(range(256)) * 50)


def test_refusals_of_the_operating_system(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folder"):
        opened(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        opened(tmp_path / "absent.wav")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(InputError, match="regular file"):
            opened(tmp_path / "pipe")


def test_no_permission(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(encoded("WAV", "PCM_16", music(100)))

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(InputError, match="cannot be read: Permission denied"):
        opened(path)


def test_a_failing_disk_is_not_the_end_of_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = opened(path, encoded("WAV", "PCM_16", music(100_000)))
    real = Path.open

    class Failing(io.FileIO):
        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
            if self.tell() > 100_000:
                raise OSError(5, "Input/output error")
            return super().readinto(buffer)  # type: ignore[return-value]

    monkeypatch.setattr(Path, "open", lambda self, mode: Failing(self) if mode == "rb" else real(self, mode))
    with pytest.raises(InputError, match="Input/output error"):
        list(source.blocks(4_096))


# What is damaged


@pytest.mark.parametrize(
    ("container", "coding"),
    [
        *[("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "FLOAT"), ("WAVEX", "PCM_24"), ("RF64", "PCM_24")],
        *[("W64", "PCM_24"), ("AIFF", "PCM_24"), ("AU", "PCM_16"), ("FLAC", "PCM_24")],
        *[("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")],
    ],
)
def test_cut_off(path: Path, container: str, coding: str) -> None:
    audio = music(5 * RATE)
    data = encoded(container, coding, audio)
    intact = all_samples(opened(path, data))
    source = opened(path, data[: len(data) * 6 // 10])
    read = all_samples(source)
    lost = 4_096 if container in ("FLAC", "MP3") else 30_000 if container == "OGG" else 200
    assert 0.6 * audio.shape[0] - lost <= read.shape[1] <= 0.62 * audio.shape[0]
    same = read.shape[1] - (2_000 if container in ("MP3", "OGG") else 0)  # lossy decoders need the following frame, too
    assert torch.equal(read[:, :same], intact[:, :same])
    assert source.damage and ("cut off" in source.damage or "ends after" in source.damage)
    assert not source.damage.endswith(".")


@pytest.mark.parametrize(
    ("riff", "size"), [(0xFFFFFFFF, 0xFFFFFFFF), (0, 0), (36, 0), (0xFFFFFFFF, 0), (0, 0xFFFFFFFF)]
)
@pytest.mark.parametrize("coding", ["PCM_16", "FLOAT"])
def test_a_streamed_wav_is_complete(path: Path, riff: int, size: int, coding: str) -> None:
    data = encoded("WAV", coding, music(5_000))
    at = data.find(b"data")
    expected = all_samples(opened(path, data))
    data[4:8], data[at + 4 : at + 8] = struct.pack("<I", riff), struct.pack("<I", size)
    source = opened(path, data)
    assert torch.equal(all_samples(source), expected)
    assert source.damage is None


def test_an_rf64_whose_writer_died(path: Path) -> None:
    data = encoded("RF64", "PCM_24", music(5_000))
    expected = all_samples(opened(path, data))
    at = data.find(b"ds64")
    data[at + 8 : at + 32] = bytes(24)
    source = opened(path, data)
    assert torch.equal(all_samples(source), expected) and source.damage is None


def test_an_empty_wav_with_tags_behind_is_empty(path: Path) -> None:
    data = encoded("WAV", "PCM_16", music(0)) + b"LIST" + struct.pack("<I", 16) + b"INFOINAM\4\0\0\0abc\0"
    with pytest.raises(InputError, match="holds no audio"):
        opened(path, data)


def test_a_flac_that_does_not_say_its_length(path: Path) -> None:
    data = encoded("FLAC", "PCM_24", music(50_000))
    expected = all_samples(opened(path, data))
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    source = opened(path, data)
    assert source.info.frames is None and source.info.seconds is None
    for frames in (1_000, 4_096, 30_000, 1_000_000):
        assert torch.equal(all_samples(source, frames), expected)
        assert source.damage is None
    source = opened(path, data[: len(data) // 2])
    assert 20_000 < all_samples(source).shape[1] <= 25_000
    assert "cannot be decoded beyond" in (source.damage or "")


@pytest.mark.parametrize("size", [1, 3_000])
def test_a_fault_in_the_middle_keeps_the_rest_in_place(path: Path, size: int) -> None:
    data = encoded("FLAC", "PCM_24", music(5 * RATE))
    expected = all_samples(opened(path, data))
    middle = len(data) // 2
    data[middle : middle + size] = bytes(byte ^ 0x55 for byte in data[middle : middle + size])
    source = opened(path, data)
    read = all_samples(source)
    assert read.shape == expected.shape
    wrong = (read != expected).any(0)
    assert 0 < int(wrong.sum()) <= 4 * 4_096
    assert not read[:, wrong].any()
    assert "could not be decoded and are silent" in (source.damage or "")


def test_invalid_samples_are_silenced_and_counted(path: Path) -> None:
    audio = music(5_000)
    audio[100, 0], audio[200, 1], audio[4_000, 0] = np.nan, np.inf, -np.inf
    source = opened(path, encoded("WAV", "FLOAT", audio))
    read = all_samples(source, 1_000)
    assert torch.isfinite(read).all() and read[0, 100] == 0
    assert source.damage == "3 samples were not numbers from −2³² to 2³² and were set to 0"


def _frames_of(data: bytes) -> list[int]:
    """Where the frames of a 48 kHz MPEG 1 layer III stream begin."""
    kbits = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320]
    starts, at = [], 0
    while at + 4 <= len(data):
        starts.append(at)
        at += 144_000 * kbits[data[at + 2] >> 4] // RATE + (data[at + 2] >> 1 & 1)
    return starts


@pytest.mark.parametrize("tag", [b"", b"ID3\4\0\0\0\0\1\0" + bytes(128)])
def test_an_mp3_of_variable_bit_rate_without_a_frame_count_is_read_to_its_end(path: Path, tag: bytes) -> None:
    audio = music(10 * RATE)
    audio[: 5 * RATE] *= 0.001
    data = bytes(encoded("MP3", "MPEG_LAYER_III", audio, compression_level=0.3, bitrate_mode="VARIABLE"))
    assert b"Xing" in data[:100]
    bare = data[_frames_of(data)[1] :]
    assert sf.info(io.BytesIO(bare)).frames < 0.9 * len(audio)  # what libsndfile makes of it
    source = opened(path, tag + bare)
    read = all_samples(source)
    assert len(audio) <= read.shape[1] == source.info.frames <= len(audio) + 3_000
    assert source.damage is None
    loud = 9 * RATE  # past the quiet half, at the decoder's delay
    errors = [
        np.abs(read[:, loud + s : loud + s + 4_096].numpy().T - audio[loud : loud + 4_096]).mean() for s in range(3_000)
    ]
    assert min(errors) < 0.05


@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG", "MP3", "AIFF", "W64", "CAF"])
def test_no_cut_crashes(tmp_path_factory: pytest.TempPathFactory, container: str) -> None:
    coding = {"OGG": "VORBIS", "MP3": "MPEG_LAYER_III"}.get(container, "PCM_16")
    data = encoded(container, coding, music(12_000))
    path = tmp_path_factory.mktemp("cut") / "audio"

    @settings(max_examples=40, deadline=None, derandomize=True, database=None)
    @given(st.integers(0, len(data) - 1) | st.integers(0, 300))
    def cut(length: int) -> None:
        try:
            source = opened(path, data[:length])
            read = all_samples(source, 5_000)
        except InputError:
            return
        assert 0 < read.shape[1] <= 12_000
        assert source.damage is not None or read.shape[1] >= 11_999

    cut()


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_no_flipped_bytes_crash(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    kinds = [(container, "PCM_16") for container in ("WAV", "FLAC", "AIFF", "RF64", "W64", "AU", "CAF")]
    lossy = [("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS"), ("OGG", "OPUS")]
    audio = encoded(*data.draw(st.sampled_from(kinds + lossy)), music(3_000))
    for at in data.draw(st.lists(st.integers(0, 120) | st.integers(0, len(audio) - 1), min_size=1, max_size=5)):
        audio[at] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("flip") / "audio"
    try:
        for block in opened(path, audio).blocks(1_000):
            assert block.shape[1] <= 1_000 and torch.isfinite(block).all()
    except InputError:
        pass


@settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(
    container=st.sampled_from([("WAV", "FLOAT"), ("WAV", "PCM_24"), ("FLAC", "PCM_24"), ("AIFF", "PCM_16")]),
    frames=st.integers(1, 20_000),
    channels=st.integers(1, 8),
    rate=st.sampled_from([1_000, 8_000, 44_100, 192_000]),
    block=st.integers(1, 30_000),
)
def test_any_shape(
    tmp_path: Path, container: tuple[str, str], frames: int, channels: int, rate: int, block: int
) -> None:
    audio = music(frames, channels)
    source = opened(tmp_path / "any", encoded(*container, audio, rate=rate))
    assert (source.info.rate, source.info.channels, source.info.frames) == (rate, channels, frames)
    blocks = list(source.blocks(max(block, frames // 50)))
    assert torch.allclose(torch.cat(blocks, 1), torch.from_numpy(audio.T), atol=2.0**-15)
    assert source.damage is None


def test_wav_of_the_standard_library(path: Path) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(struct.pack("<3h", -32768, 0, 16384))
    assert all_samples(opened(path)).tolist() == [[-1.0, 0.0, 0.5]]


def test_zero_blocks_of_a_cut_header_are_refused(path: Path) -> None:
    data = encoded("FLAC", "PCM_24", music(5 * RATE))
    with pytest.raises(InputError, match=r"no audio that can be decoded|not audio"):
        list(opened(path, data[:9_000]).blocks(1_000))
