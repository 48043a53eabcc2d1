"""Writing MP3 and Ogg Vorbis."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import torch
from conftest import AUDIO
from files.test_writers import TAGS, Full, music, read
from pydantic import ValidationError
from torch import Tensor

from upscaler_core import AudioInfo, OutputError, discover
from upscaler_core.files import open_recording
from upscaler_core.files.tags.reading import complete_tags
from upscaler_files import plugin
from upscaler_files.mp3 import Mp3Exporter
from upscaler_files.ogg import OggExporter, renumber
from upscaler_files.ogg_pages import checksum
from upscaler_files.options import Mp3Options, OggOptions
from upscaler_files.reader import SoundFileReader

RATE = 44_100
MP3_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
KBPS = (128, 160, 192, 224, 256, 320)


def exporter(kind: str, **options: Any) -> Mp3Exporter | OggExporter:
    return Mp3Exporter(Mp3Options(**options)) if kind == "mp3" else OggExporter(OggOptions(**options))


def write(
    path: Path,
    audio: Tensor,
    kind: str,
    rate: int = RATE,
    block: int = 1 << 30,
    source: AudioInfo | None = None,
    **options: Any,
) -> int:
    with exporter(kind, **options).open(path, rate, audio.shape[0], source) as sink:
        for start in range(0, audio.shape[1], block):
            sink.write(audio[:, start : start + block])
    return sink.clipped


def recording(frames: int) -> Tensor:
    samples, _ = sf.read(AUDIO / "arovane_beat_d_cc0_lossless.flac", frames, 44_100, dtype="float32", always_2d=True)
    return torch.from_numpy(samples.T.copy())


def lag(a: Tensor, b: Tensor) -> int:
    """Samples by which `b` is late, from the peak of the cross-correlation."""
    n = 2 * a.shape[-1]
    correlation = torch.fft.irfft(torch.fft.rfft(a[0], n).conj() * torch.fft.rfft(b[0], n), n)
    peak = int(correlation.argmax())
    return peak - n if peak > n // 2 else peak


def bitrates(data: bytes) -> list[int]:
    """Kilobits a second of every audio frame of an MP3, from the frame headers alone (ISO/IEC 11172-3, 13818-3)."""
    at, rates = 0, []
    if data[:3] == b"ID3":
        at = 10 + sum(byte << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True))
    while at < len(data):
        (head,) = struct.unpack(">I", data[at : at + 4])
        assert head >> 21 == 0x7FF and head >> 17 & 3 == 1, "layer III"
        mpeg1 = head >> 19 & 3 == 3
        table = (
            "0 32 40 48 56 64 80 96 112 128 160 192 224 256 320"
            if mpeg1
            else "0 8 16 24 32 40 48 56 64 80 96 112 128 144 160"
        )
        rate = (44_100, 48_000, 32_000)[head >> 10 & 3] // {3: 1, 2: 2, 0: 4}[head >> 19 & 3]
        kbps = int(table.split()[head >> 12 & 15])
        rates.append(kbps)
        at += (144_000 if mpeg1 else 72_000) * kbps // rate + (head >> 9 & 1)
    assert at == len(data), "frames to the end"
    return rates[1:]  # the first one holds the counts


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out.part"


# Round trips


@pytest.mark.parametrize("rate", MP3_RATES)
@pytest.mark.parametrize("channels", [1, 2])
def test_mp3_has_the_length_and_the_place_of_the_audio(path: Path, rate: int, channels: int) -> None:
    audio = recording(30_001)[:channels]
    modes = [{"quality": 0}, {"quality": 9}] + [{"bitrate": 128}] * (rate >= 16_000)
    for options in modes:
        write(path, audio, "mp3", rate, **options)
        with SoundFileReader().open(path) as written:
            info = written.info
            assert (info.rate, info.channels, info.frames) == (rate, channels, 30_001)
            assert info.format == "MP3, MPEG Layer III"
        back = read(path)
        assert back.shape == audio.shape and lag(audio, back) == 0


@pytest.mark.parametrize("rate", [8_000, 44_100, 96_000, 192_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_ogg_has_the_length_and_the_place_of_the_audio(path: Path, rate: int, channels: int) -> None:
    audio = recording(70_001).repeat(3, 1)[:channels]
    for quality in (0, 8, 10):
        write(path, audio, "ogg", rate, quality=quality)
        with SoundFileReader().open(path) as written:
            info = written.info
            assert (info.rate, info.channels, info.frames) == (rate, channels, 70_001)
            assert info.format == "Ogg, Vorbis"
        back = read(path)
        assert back.shape == audio.shape and lag(audio, back) == 0


@pytest.mark.parametrize("kind", ["mp3", "ogg"])
@pytest.mark.parametrize("frames", [1, 2, 575, 1_151, 1_152, 1_153, 65_535, 65_536, 65_537])
def test_any_length(path: Path, kind: str, frames: int) -> None:
    write(path, music(frames), kind)
    assert read(path).shape == (2, frames)


def test_the_best_is_near_the_audio(path: Path) -> None:
    audio = recording(2 * RATE)
    for kind, options, decibels in (("mp3", {}, 25), ("ogg", {}, 20), ("ogg", {"quality": 10}, 25)):
        write(path, audio, kind, **options)
        ratio = audio.square().sum() / (read(path) - audio).square().sum()
        assert 10 * ratio.log10() > decibels


# Bit rates


@pytest.mark.parametrize("rate", [32_000, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_mp3_has_the_constant_bit_rate_of_the_option(path: Path, rate: int, channels: int) -> None:
    for kbps in KBPS:
        write(path, recording(rate)[:channels], "mp3", rate, bitrate=kbps)
        rates = bitrates(path.read_bytes())
        assert set(rates) == {kbps} and len(rates) >= rate // 1_152
        assert path.stat().st_size * 8 / 1_000 == pytest.approx(kbps, rel=0.12)  # with frames at the ends


@pytest.mark.parametrize("rate", [8_000, 11_025, 12_000, 16_000, 22_050, 24_000])
def test_mp3_at_low_rates_has_what_mpeg_2_has(path: Path, rate: int) -> None:
    most = 160 if rate >= 16_000 else 64
    for kbps in KBPS:
        if kbps > most:
            reason = (
                f"MP3 at {rate:,} Hz holds at most {most} kbps, not {kbps}: leave the bit rate out, or add -r 44100"
            )
            assert exporter("mp3", bitrate=kbps).refuse(rate, 2) == reason
        else:
            write(path, recording(rate), "mp3", rate, bitrate=kbps)
            assert set(bitrates(path.read_bytes())) == {kbps}


def test_mp3_of_variable_bit_rate_goes_from_v0_to_v9(path: Path) -> None:
    audio, means = recording(5 * RATE), []
    for quality in range(10):
        write(path, audio, "mp3", quality=quality)
        rates = bitrates(path.read_bytes())
        assert len(set(rates)) > 2 and max(rates) <= 320
        means.append(np.mean(rates))
    assert means == sorted(means, reverse=True)
    assert 200 < means[0] < 320 and means[9] < 100
    write(path, audio, "mp3")
    assert np.mean(bitrates(path.read_bytes())) == means[0], "V0 is the default"


def test_ogg_grows_with_its_quality(path: Path) -> None:
    sizes = []
    for quality in (0, 3, 5, 6, 8, 9.5, 10):
        write(path, recording(2 * RATE), "ogg", quality=quality)
        sizes.append(path.stat().st_size)
    assert sizes == sorted(sizes) and sizes[-1] > 3 * sizes[0]


@pytest.mark.parametrize(("kind", "rate"), [("mp3", 44_100), ("mp3", 48_000), ("ogg", 44_100), ("ogg", 96_000)])
def test_the_defaults_keep_the_treble(path: Path, kind: str, rate: int) -> None:
    audio = music(2 * rate, 1)
    write(path, audio, kind, rate)
    power = [torch.fft.rfft(x[0] * torch.hann_window(2 * rate)).abs().square() for x in (audio, read(path))]
    top = {44_100: 21_500, 48_000: 21_500, 96_000: 46_000}[rate] * 2  # bins of half a hertz
    before, after = (p[top - 1_000 : top].mean() for p in power)
    assert abs(10 * (after / before).log10()) < 3


# The same bytes


@pytest.mark.parametrize(("kind", "channels"), [("mp3", 2), ("ogg", 1), ("ogg", 2), ("ogg", 6)])
def test_same_audio_same_bytes_however_it_was_cut(tmp_path: Path, kind: str, channels: int) -> None:
    audio = music(200_000, channels)
    info = AudioInfo(RATE, channels, 1, "x", tags={"title": ["T"]})
    written = set()
    for block in (1 << 30, 65_536, 4_999, 777):
        write(tmp_path / "x", audio, kind, block=block, source=info)
        written.add((tmp_path / "x").read_bytes())
    assert len(written) == 1


def pages(data: bytes) -> list[bytes]:
    at, parts = 0, []
    while at < len(data):
        assert data[at : at + 4] == b"OggS"
        end = at + 27 + data[at + 26] + sum(data[at + 27 : at + 27 + data[at + 26]])
        parts.append(data[at:end])
        at = end
    return parts


def crc(data: bytes) -> int:
    """The checksum of RFC 3533, bit by bit."""
    value = 0
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value >> 31 else 0)) & 0xFFFFFFFF
    return value


def test_every_ogg_page_has_the_serial_number_and_a_right_checksum(path: Path) -> None:
    serials = []
    for seed in (0, 1):
        write(path, music(100_000, seed=seed), "ogg")
        written = pages(path.read_bytes())
        assert len(written) > 5
        for page in written:
            assert struct.unpack("<I", page[22:26])[0] == crc(page[:22] + bytes(4) + page[26:])
        assert len({page[14:18] for page in written}) == 1
        serials.append(written[0][14:18])
    assert serials[0] != serials[1], "files that are strung together need different ones"


def test_renumbering_reaches_what_libsndfile_would_have_written(path: Path) -> None:
    write(path, music(100_000), "ogg")
    data = path.read_bytes()
    file = io.BytesIO(data)
    renumber(file, 0x01020304)
    assert file.getvalue() != data and b"\4\3\2\1" in file.getvalue()
    renumber(file, int.from_bytes(data[14:18], "little"))
    assert file.getvalue() == data
    assert checksum(b"123456789") == struct.pack("<I", crc(b"123456789"))


# Channels, tags, levels


WAV_SPEAKERS = {  # RFC 9639, 9.1.3, which for these is the order of WAV
    3: "FL FR FC",
    4: "FL FR BL BR",
    5: "FL FR FC BL BR",
    6: "FL FR FC LFE BL BR",
    7: "FL FR FC LFE BC SL SR",
    8: "FL FR FC LFE BL BR SL SR",
}
VORBIS_SPEAKERS = {  # Vorbis I specification, 4.3.9
    3: "FL FC FR",
    4: "FL FR BL BR",
    5: "FL FC FR BL BR",
    6: "FL FC FR BL BR LFE",
    7: "FL FC FR SL SR BC LFE",
    8: "FL FC FR SL SR BL BR LFE",
}


@pytest.mark.parametrize("channels", WAV_SPEAKERS)
def test_ogg_gives_every_speaker_its_own(path: Path, channels: int) -> None:
    tones = 0.1 * torch.sin(torch.arange(40_000) * 0.003 * torch.arange(1, channels + 1)[:, None])
    write(path, tones, "ogg")
    stored = torch.from_numpy(sf.read(path, dtype="float32", always_2d=True)[0].T)
    places = [int(torch.argmax((tones * row).sum(1).abs())) for row in stored]
    wav, vorbis = WAV_SPEAKERS[channels].split(), VORBIS_SPEAKERS[channels].split()
    assert [wav[i] for i in places] == vorbis
    with SoundFileReader().open(path) as written:
        read = torch.cat(list(written.blocks(RATE)), 1)
    assert [int(torch.argmax((tones * row).sum(1).abs())) for row in read] == list(range(channels))


@pytest.mark.parametrize("kind", ["mp3", "ogg"])
def test_tags_are_carried_over(path: Path, kind: str) -> None:
    unwanted = {"replaygain_track_gain": ["-3 dB"], "software": ["x"]}
    write(path, music(1_000), kind, source=complete_tags(AudioInfo(RATE, 2, 1, "x", tags={**TAGS, **unwanted}), path))
    with open_recording(path, discover()) as written:
        carried = {name: "; ".join(texts) for name, texts in written.info.tags.items()}
        assert carried == {name: "; ".join(texts) for name, texts in TAGS.items()}
        assert written.info.frames == 1_000
    data = path.read_bytes()
    assert b"replaygain" not in data.lower()
    if kind == "mp3":
        assert data[:5] == b"ID3\4\0" and "\3Tïtle 曲".encode() in data  # UTF-8, and output to be
        assert bitrates(data)


@pytest.mark.parametrize("kind", ["mp3", "ogg"])
def test_strange_tags_do_no_harm(path: Path, kind: str) -> None:
    strange = {"title": ["a\0b\udcff"], "artist": [], "comment": ["y" * 100_000]}
    write(path, music(1_000), kind, source=AudioInfo(RATE, 2, 1, "x", tags=strange))
    assert read(path).shape == (2, 1_000)
    write(path, music(1_000), kind)
    with SoundFileReader().open(path) as written:
        assert not written.info.tags
    assert kind == "ogg" or path.read_bytes()[:2] == b"\xff\xfb"


@pytest.mark.parametrize("kind", ["mp3", "ogg"])
def test_what_is_beyond_full_scale_is_clamped_and_counted(path: Path, kind: str) -> None:
    loud = 3 * torch.sin(torch.arange(20_000) * 0.05)[None]
    assert write(path, loud, kind) == int((loud.abs() > 1).sum())
    assert read(path).abs().max() < 1.5
    assert write(path, torch.full((2, 5_000), 1.0), kind) == 0


# What is refused


def test_limits_of_mp3_are_said_with_what_to_do() -> None:
    mp3 = Mp3Exporter()
    assert all(mp3.refuse(rate, channels) is None for rate in MP3_RATES for channels in (1, 2))
    assert mp3.refuse(96_000, 2) == "MP3 holds at most 48,000 Hz, not 96,000: add -r 48000, or write FLAC"
    assert mp3.refuse(44_000, 2) == "MP3 does not hold 44,000 Hz: add -r 44100, or write FLAC"
    assert mp3.refuse(1, 2) == "MP3 does not hold 1 Hz: add -r 8000, or write FLAC"
    assert mp3.refuse(48_000, 6) == "MP3 holds 1 or 2 channels, not 6: write FLAC or WAV instead"
    assert mp3.refuse(48_000, 0)


def test_limits_of_ogg_are_said_with_what_to_do() -> None:
    ogg = OggExporter()
    assert ogg.refuse(192_000, 8) is None and ogg.refuse(1, 1) is None
    assert (
        ogg.refuse(192_001, 2) == "Ogg Vorbis is written at up to 192,000 Hz, not 192,001: add -r 192000, or write FLAC"
    )
    assert ogg.refuse(48_000, 9) == "Ogg Vorbis is written with 1 to 8 channels, not 9: write WAV instead"
    assert ogg.refuse(0, 2) and ogg.refuse(48_000, 0)


@pytest.mark.parametrize(("kind", "rate"), [("mp3", 96_000), ("ogg", 384_000)])
def test_open_refuses_too(path: Path, kind: str, rate: int) -> None:
    with pytest.raises(OutputError, match="add -r"):
        exporter(kind).open(path, rate, 2)
    assert not path.exists()


def test_options() -> None:
    assert Mp3Options(mode="cbr", kbps=192) == Mp3Options(bitrate=192) and Mp3Options(mode="vbr") == Mp3Options()  # type: ignore[call-arg]
    assert Mp3Options(bitrate="192").bitrate == 192 and OggOptions(quality="5").quality == 5  # type: ignore[arg-type]
    for wrong in ({"bitrate": 100}, {"bitrate": "many"}, {"mode": "abr"}, {"quality": 10}, {"quality": -1}):
        with pytest.raises(ValidationError):
            Mp3Options(**wrong)  # type: ignore[arg-type]
    for quality in (-1, 10.1):
        with pytest.raises(ValidationError):
            OggOptions(quality=quality)
    suffixes = {component.name: component.suffixes for component in plugin.upscaler_exporters()}
    assert suffixes["mp3"] == (".mp3",) and suffixes["ogg"] == (".ogg", ".oga")


@pytest.mark.parametrize("kind", ["mp3", "ogg"])
def test_nothing_and_nonsense(path: Path, kind: str) -> None:
    with pytest.raises(OutputError, match="no audio"):
        write(path, music(0), kind)
    for nonsense in (torch.inf, torch.nan):
        with pytest.raises(OutputError, match="finite"):
            write(path, torch.full((2, 10), nonsense), kind)


# What has crashed libsndfile


def run(folder: Path, program: str) -> str:
    begin = "import torch; from pathlib import Path; from upscaler_files.ogg import OggExporter\n"
    done = subprocess.run([sys.executable, "-c", begin + program], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.returncode}: {done.stderr}"
    return done.stdout


def test_a_rate_that_crashes_libsndfile_never_reaches_it(tmp_path: Path) -> None:
    output = run(
        tmp_path,
        """
from upscaler_core import OutputError
for rate in (200_001, 352_800, 384_000, 768_000):
    try:
        OggExporter().open(Path("out"), rate, 2)
    except OutputError as error:
        print(error)
""",
    )
    assert output.count("192,000 Hz") == 4


@pytest.mark.slow
def test_long_blocks_do_not_crash_libsndfile(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
for rate in (44_100, 192_000):
    with OggExporter().open(Path(str(rate)), rate, 2) as sink:
        sink.write(torch.randn(2, 120 * 44_100) / 10)
""",
    )
    assert sf.info(tmp_path / "44100").frames == sf.info(tmp_path / "192000").frames == 120 * 44_100


@pytest.mark.slow
def test_no_number_of_channels_and_no_quality_crashes(tmp_path: Path) -> None:
    run(
        tmp_path,
        """
from upscaler_files.options import OggOptions
for rate in (1, 1_000, 7_999, 15_000, 26_000, 40_000, 50_001, 192_000):
    for channels in range(1, 9):
        for quality in (0, 10):
            with OggExporter(OggOptions(quality=quality)).open(Path("out"), rate, channels) as sink:
                sink.write(torch.randn(channels, 3_000) / 10)
""",
    )


# Full disks


@pytest.mark.parametrize("kind", ["mp3", "ogg"])
@pytest.mark.parametrize("buffered", [False, True])
def test_a_full_disk_is_never_lost(path: Path, kind: str, buffered: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    audio, info = music(20_000), AudioInfo(RATE, 2, 1, "x", tags=TAGS)
    write(path, audio, kind, source=info)
    size = path.stat().st_size
    real = Path.open
    for room in (0, 10, 100, size // 2, size - 1):

        def opened(self: Path, mode: str, room: int = room) -> Any:
            if mode != "w+b":
                return real(self, mode)
            file = Full(self, mode)
            file.room = room
            return io.BufferedRandom(file) if buffered else file

        with monkeypatch.context() as patch:
            patch.setattr(Path, "open", opened)
            with pytest.raises(OutputError, match="the disk is full"):
                write(path, audio, kind, source=info)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("kind", ["mp3", "ogg"])
@pytest.mark.parametrize("frames", [10, 100_000])
def test_a_device_that_is_always_full(kind: str, frames: int) -> None:
    with pytest.raises(OutputError):
        write(Path("/dev/full"), music(frames), kind)
