"""All audio that is in a file is read, whatever its header says, or a word tells what was left."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from files.test_reader import RATE, all_samples, encoded, music, opened

from upscaler_core import InputError

ONE, TWO = music(RATE), music(RATE, seed=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audio"


def samples_of(path: Path, data: bytes) -> torch.Tensor:
    return all_samples(opened(path, data))


# Files one after the other


@pytest.mark.parametrize(
    ("container", "coding"),
    [
        *[("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"), ("FLAC", "PCM_16")],
        *[("WAV", "PCM_16"), ("WAVEX", "PCM_24"), ("AIFF", "PCM_16")],
    ],
)
def test_joined_files_are_read_as_one(path: Path, container: str, coding: str) -> None:
    one, two = (bytes(encoded(container, coding, audio)) for audio in (ONE, TWO))
    expected = torch.cat((samples_of(path, one), samples_of(path, two)), 1)
    source = opened(path, one + two)
    assert source.info.frames == expected.shape[1] == 2 * RATE
    assert torch.equal(all_samples(source), expected)
    assert torch.equal(all_samples(source, 777), expected)
    assert source.damage is None


def test_an_mp3_with_a_tag_in_its_middle(path: Path) -> None:
    one, two = (bytes(encoded("MP3", "MPEG_LAYER_III", audio)) for audio in (ONE, TWO))
    tag = b"ID3\4\0\0\0\0\1\0" + bytes(128)
    expected = samples_of(path, one + two)
    source = opened(path, tag + one + b"TAG" + bytes(125) + tag + two)
    assert torch.equal(all_samples(source), expected) and source.damage is None


def test_a_count_that_is_too_small(path: Path) -> None:
    data = encoded("MP3", "MPEG_LAYER_III", ONE)
    expected = samples_of(path, data)
    at = max(data.find(b"Xing"), data.find(b"Info"))
    data[at + 8 : at + 12] = struct.pack(">I", struct.unpack(">I", data[at + 8 : at + 12])[0] // 2)
    assert torch.equal(samples_of(path, data), expected)


def test_a_part_of_another_kind_is_told(path: Path) -> None:
    source = opened(path, bytes(encoded("OGG", "VORBIS", ONE)) + bytes(encoded("OGG", "VORBIS", music(RATE, 1))))
    assert all_samples(source).shape == (2, RATE)
    assert source.damage == "1 part of it with another rate or number of channels cannot be read with the rest"


# Lengths that are wrong


@pytest.mark.parametrize(
    ("container", "name", "layout", "header"),
    [("WAV", b"data", "<I", 0), ("WAVEX", b"data", "<I", 0), ("AIFF", b"SSND", ">I", 8), ("CAF", b"data", ">Q", 4)],
)
@pytest.mark.parametrize("tail", [b"", b"LIST" + struct.pack("<I", 4) + b"INFO"])
def test_a_header_that_promises_too_little(
    path: Path, container: str, name: bytes, layout: str, header: int, tail: bytes
) -> None:
    if tail and not container.startswith("WAV"):
        pytest.skip("the tail is WAV's")
    data = encoded(container, "PCM_16", ONE)
    at = data.find(name) + 4
    data = data[: at + struct.calcsize(layout) + header + 4 * RATE]  # nothing behind the audio
    expected = samples_of(path, data)
    data[at : at + struct.calcsize(layout)] = struct.pack(layout, header + 2 * RATE)
    source = opened(path, data + tail)
    assert torch.equal(all_samples(source), expected)
    assert source.damage == f"its header leaves out {2 * RATE:,} bytes of audio, which were read too"


def test_a_wav_that_wrapped_at_4_gib(path: Path) -> None:
    total = (1 << 32) + 8 * RATE
    head = bytes(encoded("WAV", "PCM_16", ONE)[:44])
    with path.open("wb") as file:
        file.write(head[:40] + struct.pack("<I", total % (1 << 32)))
        file.seek(44 + total - 4)
        file.write(b"\1\1\2\2")
    source = opened(path)
    assert source.info.frames == total // 4
    with path.open("r+b") as file:  # an unknown length, as of a pipe
        file.seek(40)
        file.write(struct.pack("<I", 0x7FFFF000))
    assert opened(path).info.frames == total // 4


@pytest.mark.parametrize("size", [0x7FFFFFFF, 0x7FFFF000, 0x7FFFFFDB, 0x80000000, 0xFFFFFFFF, 0xFFFFF000, 0])
def test_a_placeholder_of_a_pipe_is_no_damage(path: Path, size: int) -> None:
    data = encoded("WAV", "PCM_16", ONE)
    expected = samples_of(path, data)
    data[40:44] = struct.pack("<I", size)
    source = opened(path, data)
    assert torch.equal(all_samples(source), expected) and source.damage is None


@pytest.mark.parametrize("size", [(1 << 63) - 1, (1 << 63) - 24, (1 << 64) - 1, 0, 24])
def test_a_placeholder_in_wave64_is_no_damage(path: Path, size: int) -> None:
    data = encoded("W64", "PCM_16", ONE)
    expected = samples_of(path, data)
    at = data.find(b"data\xf3\xac") + 16
    data[at : at + 8] = struct.pack("<Q", size)
    source = opened(path, data)
    assert torch.equal(all_samples(source), expected) and source.damage is None


def test_a_long_recording_that_is_cut_off_is_no_pipe(path: Path) -> None:
    with path.open("wb") as file:
        file.write(bytes(encoded("WAV", "PCM_16", ONE)[:40]) + struct.pack("<I", 0x7FFF0004))
        file.truncate(0x7F000000)
    source = opened(path)
    assert source._source._verdict(1, False).count("it is cut off")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "tail",
    [
        b"LIST" + struct.pack("<I", 4) + b"INFO",
        b"unknown" + bytes(1),
        b"TAG" + bytes(125),
        b"APETAGEX" + bytes(range(256)) * 20,
        bytes(4_096),
        b"bext" + struct.pack("<I", 600) + bytes(200),  # cut off
        b"\n",
    ],
)
def test_what_is_no_audio_behind_the_audio_is_not_read(path: Path, tail: bytes) -> None:
    data = bytes(encoded("WAV", "PCM_16", ONE))
    source = opened(path, data + tail)
    assert all_samples(source).shape[1] == RATE and source.damage is None


# FLAC


def test_a_flac_that_states_too_few_samples(path: Path) -> None:
    data = encoded("FLAC", "PCM_24", ONE)
    expected = samples_of(path, data)
    data[22:26] = struct.pack(">I", RATE // 2)
    source = opened(path, data)
    assert torch.equal(all_samples(source), expected)
    assert source.damage == f"its header leaves out {RATE // 2:,} samples of audio, which were read too"


def test_a_flac_without_its_middle_keeps_everything_else_in_place(path: Path) -> None:
    audio = music(5 * RATE)
    data = bytes(encoded("FLAC", "PCM_24", audio))
    expected = samples_of(path, data)
    for damaged in (
        data[: len(data) // 3] + data[len(data) // 2 :],
        data[: len(data) // 3] + bytes(range(256)) * 400 + data[len(data) // 3 + 102_400 :],
    ):
        source = opened(path, damaged)
        read = all_samples(source)
        assert read.shape == expected.shape
        wrong = (read != expected).any(0)
        assert int(wrong.sum()) < 0.25 * len(audio) and not read[:, wrong].any()
        assert "samples of it are missing" in source.damage and "are silent" in source.damage
        assert source.silenced_share == pytest.approx(float(wrong.float().mean()), abs=1e-4)
        assert torch.equal(all_samples(source, 999), read)


def test_32_bit_flac_is_refused_by_its_name(path: Path) -> None:
    data = encoded("FLAC", "PCM_24", ONE)
    data[20] = data[20] & 0xFE | 1
    data[21] = data[21] & 0x0F | 0xF0
    with pytest.raises(InputError, match="it is 32-bit FLAC, and up to 24 bits are read"):
        opened(path, data)


# MP3 and Ogg with holes


def test_an_mp3_is_read_beyond_a_hole(path: Path) -> None:
    data = bytes(encoded("MP3", "MPEG_LAYER_III", music(10 * RATE)))
    intact = samples_of(path, data)
    noise = np.random.default_rng(3).bytes(20_000)
    source = opened(path, data[:40_000] + noise + data[40_000:])
    read = all_samples(source)
    assert read.shape[1] > 0.98 * intact.shape[1]
    assert torch.equal(read[:, -5 * RATE :], intact[:, -5 * RATE :])
    assert "in 1 place of it are no MP3 audio and were left out" in source.damage
    assert source.silenced_share == 0


def test_lost_ogg_pages_are_told(path: Path) -> None:
    data = encoded("OGG", "VORBIS", music(10 * RATE))
    assert opened(path, data).damage is None
    middle = data.find(b"OggS", len(data) // 2)
    data[middle + 100] ^= 1
    source = opened(path, data)
    assert all_samples(source).shape[1] > 9 * RATE
    assert "pages of it are damaged or missing: 1" in source.damage


# Opus


@pytest.mark.parametrize("rate", [0, 8_000, 16_000, 44_100])
def test_opus_is_decoded_at_48_khz_whatever_the_original_had(path: Path, rate: int) -> None:
    from upscaler_files.ogg_pages import checksum

    data = encoded("OGG", "OPUS", ONE)
    expected = samples_of(path, data)
    at = data.find(b"OpusHead") + 12
    page = data[: data.find(b"OggS", 4)]
    page[at : at + 4] = struct.pack("<I", rate)
    page[22:26] = bytes(4)
    page[22:26] = checksum(page)
    source = opened(path, bytes(page + data[len(page) :]))
    assert source.info.rate == 48_000
    assert torch.equal(all_samples(source), expected)


def test_a_patch_shows_its_bytes_alone() -> None:
    from upscaler_files.guarded_file import GuardedFile, Patch

    file = GuardedFile(io.BytesIO(bytes(range(100))), Patch(b"ab", ranges=((10, 13), (50, 52))))
    buffer = bytearray(20)
    assert file.readinto(memoryview(buffer)) == 7
    assert bytes(buffer[:7]) == b"ab\x0a\x0b\x0c\x32\x33"
    assert file.seek(-1, io.SEEK_END) == 6 and file.readinto(memoryview(buffer)) == 1 and buffer[0] == 51
    assert file.seek(1) == 1 and file.readinto(memoryview(buffer)[:2]) == 2 and bytes(buffer[:2]) == b"b\x0a"
