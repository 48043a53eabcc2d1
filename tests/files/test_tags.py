"""Tags and pictures from file to file."""

from __future__ import annotations

import base64
import shutil
import struct
import subprocess
import sys
import wave
import zlib
from importlib.metadata import version
from pathlib import Path

import mutagen
import pytest
import soundfile as sf
import torch
from files.test_writers import Full, chunks, music, read
from mutagen import id3
from mutagen.aiff import AIFF
from mutagen.flac import FLAC
from mutagen.flac import Picture as Block
from mutagen.mp3 import MP3
from mutagen.mp4 import MP4, MP4Cover, MP4FreeForm
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis
from mutagen.wave import WAVE

from upscaler_core import AudioInfo, OutputError, Pipeline, discover
from upscaler_core.files import ID3_FRAMES, Restoration, made_by, open_recording, restoration_of
from upscaler_core.files.tags import vorbis, writing
from upscaler_core.files.tags.names import MP4_ATOMS
from upscaler_core.files.tags.reading import complete_tags, read_tags
from upscaler_core.files.tags.restoration import with_restoration
from upscaler_core.plugins import Picture
from upscaler_files import wav
from upscaler_files.flac import FlacExporter
from upscaler_files.mp3 import Mp3Exporter
from upscaler_files.ogg import OggExporter
from upscaler_files.wav import WavExporter

RATE = 48_000
EXPORTERS = {"wav": WavExporter, "flac": FlacExporter, "mp3": Mp3Exporter, "ogg": OggExporter}
SOURCES = {
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "wav": ("WAV", "PCM_16"),
    "aiff": ("AIFF", "PCM_16"),
}
TEXTS = {
    "title": ("東京の夜 – Tïtle",),
    "artist": ("椎名林檎", "Björk"),
    "album": ("An album",),
    "albumartist": ("Various",),
    "composer": ("J. S. Bach",),
    "date": ("1999-12-31",),
    "tracknumber": ("3/12",),
    "discnumber": ("1/2",),
    "genre": ("Jazz", "Fusion"),
    "comment": ("odd",),
    "copyright": ("C",),
    "isrc": ("USRC17607839",),
    "lyrics": ("la\nla",),
    "musicbrainz_albumid": ("f4a31f0a",),
}


def png() -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixel = zlib.compress(b"\0\xff\0\0")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")


JPEG = base64.b64decode(  # one grey pixel
    "/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAP//////////////////////////////////////////////////////////////////////////////////"
    "////wgALCAABAAEBAREA/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQABPxA="
)
COVERS = (Picture("image/png", 3, "前", png()), Picture("image/jpeg", 4, "", JPEG), Picture("image/png", 0, "", png()))


def tag_id3(path: Path, kind: type[MP3 | WAVE | AIFF]) -> None:
    """As other programs do it: by hand, and with what must not travel."""
    file = kind(path)
    if file.tags is None:
        file.add_tags()
    add = file.tags.add
    for name in ("title", "artist", "album", "albumartist", "composer", "date", "tracknumber", "discnumber", "genre"):
        add(getattr(id3, ID3_FRAMES[name])(3, list(TEXTS[name])))
    add(id3.TCOP(3, ["C"]))
    add(id3.TSRC(3, ["USRC17607839"]))
    add(id3.COMM(3, "eng", "", ["odd"]))
    add(id3.COMM(3, "eng", "iTunNORM", ["0000"]))
    add(id3.USLT(3, "jpn", "", "la\nla"))
    add(id3.TXXX(3, "MUSICBRAINZ_ALBUMID", ["f4a31f0a"]))
    add(id3.TXXX(3, "replaygain_track_gain", ["-7 dB"]))
    add(id3.RVA2("track", 1, -7.0, 0.9))
    add(id3.TSSE(3, ["Lavf"]))
    for salt, picture in enumerate(COVERS):
        frame = id3.APIC(3, picture.mime, picture.kind, picture.description, picture.data)
        frame.salt = str(salt)
        add(frame)
    file.save()


def block(picture: Picture) -> Block:
    made = Block()
    made.mime, made.type, made.desc, made.data = picture.mime, picture.kind, picture.description, picture.data
    return made


def tag_vorbis(path: Path, kind: type[FLAC | OggVorbis | OggOpus]) -> None:
    file = kind(path)
    for name, values in TEXTS.items():
        file[name.upper()] = list(values)
    file["TRACKNUMBER"], file["TotalTracks"] = "3", "12"
    file["REPLAYGAIN_ALBUM_PEAK"], file["R128_TRACK_GAIN"], file["ENCODER"] = "1.0", "-256", "Lavf"
    if kind is FLAC:
        for picture in COVERS:
            file.add_picture(block(picture))
    else:
        file["metadata_block_picture"] = [base64.b64encode(block(picture).write()).decode() for picture in COVERS]
    file.save()


def untagged(path: Path, kind: str, frames: int = 5_000) -> Path:
    container, coding = SOURCES[kind]
    sf.write(path, music(frames).T.numpy(), RATE, format=container, subtype=coding)
    return path


def tagged(folder: Path, kind: str) -> Path:
    path = untagged(folder / f"in.{kind}", kind)
    if kind in ("mp3", "wav", "aiff"):
        tag_id3(path, {"mp3": MP3, "wav": WAVE, "aiff": AIFF}[kind])
    else:
        tag_vorbis(path, {"flac": FLAC, "ogg": OggVorbis, "opus": OggOpus}[kind])
    return path


def info_of(path: Path) -> AudioInfo:
    with open_recording(path, discover()) as source:
        return source.info


def write(path: Path, kind: str, source: AudioInfo | None, frames: int = 5_000, block: int = 1_000) -> bytes:
    audio = music(frames)
    with EXPORTERS[kind]().open(path, RATE, 2, source) as sink:
        for start in range(0, frames, block):
            sink.write(audio[:, start : start + block])
    return path.read_bytes()


def pipeline() -> Pipeline:
    return Pipeline(discover().resampler("poly-sinc-hq", dsp_quality="fast"), target_rate=RATE)


MADE = {"enhanced_by": (f"ai-audio-upscaler {version('ai-audio-upscaler')}",)}
FULL = AudioInfo(RATE, 2, 1, "x", tags=TEXTS, pictures=COVERS)


@pytest.fixture
def without_mutagen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "mutagen"]:
        monkeypatch.setitem(sys.modules, name, None)


# From every format to every format


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("target", EXPORTERS)
def test_tags_and_pictures_travel(tmp_path: Path, source: str, target: str) -> None:
    path, out = tagged(tmp_path, source), tmp_path / f"out.{target}"
    pipeline().write(path, out)
    info = info_of(out)
    assert {**info.tags} == {**TEXTS, **MADE}
    assert info.pictures == COVERS
    data = out.read_bytes().lower()
    assert not any(word in data for word in (b"replaygain", b"r128", b"itunnorm", b"rva2"))
    assert read(out).shape[1] == info_of(path).frames == info.frames


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")
@pytest.mark.parametrize("target", EXPORTERS)
def test_tags_and_covers_of_an_m4a_travel(tmp_path: Path, target: str) -> None:
    path, out = tmp_path / "in.m4a", tmp_path / f"out.{target}"
    words = ["ffmpeg", "-v", "error", "-i", str(untagged(tmp_path / "in.wav", "wav")), "-c:a", "aac", str(path)]
    subprocess.run(words, check=True)
    file = MP4(path)
    for name, values in TEXTS.items():
        if name in MP4_ATOMS and name not in ("tracknumber", "discnumber"):
            file[MP4_ATOMS[name]] = list(values)
    file["trkn"], file["disk"], file["cpil"], file["tmpo"] = [(3, 12)], [(1, 0)], True, [120]
    file["----:com.apple.iTunes:ISRC"] = [MP4FreeForm(b"USRC17607839")]
    file["----:com.apple.iTunes:iTunSMPB"] = [MP4FreeForm(b"0000")]
    file["----:com.apple.iTunes:replaygain_track_gain"] = [MP4FreeForm(b"-7 dB")]
    file["covr"] = [MP4Cover(png(), MP4Cover.FORMAT_PNG), MP4Cover(JPEG, MP4Cover.FORMAT_JPEG)]
    file.save()
    pipeline().write(path, out)
    expected = {**TEXTS, **MADE, "discnumber": ("1",), "compilation": ("1",), "bpm": ("120",)}
    del expected["musicbrainz_albumid"]
    assert info_of(out).tags == expected
    assert info_of(out).pictures == (Picture("image/png", 3, "", png()), Picture("image/jpeg", 3, "", JPEG))
    assert b"replaygain" not in out.read_bytes().lower()


def test_info_and_id3_of_a_wav_are_joined(tmp_path: Path) -> None:
    with sf.SoundFile(tmp_path / "in.wav", "w", RATE, 2) as sound:
        sound.title, sound.album = "From INFO", "From INFO"
        sound.write(music(100).T.numpy())
    file = WAVE(tmp_path / "in.wav")
    file.add_tags()
    file.tags.add(id3.TIT2(3, ["From ID3"]))
    file.save()
    assert info_of(tmp_path / "in.wav").tags == {"title": ("From ID3",), "album": ("From INFO",)}


# What the files are


@pytest.mark.parametrize("kind", EXPORTERS)
def test_bytes_follow_from_the_input_alone(tmp_path: Path, kind: str) -> None:
    first = write(tmp_path / "a.part", kind, FULL)
    assert write(tmp_path / "b", kind, FULL, block=5_000) == write(tmp_path / "c.mp3", kind, FULL, block=77) == first


@pytest.mark.parametrize("kind", EXPORTERS)
def test_the_audio_is_that_of_a_file_without_tags(tmp_path: Path, kind: str) -> None:
    large = AudioInfo(RATE, 2, 1, "x", tags=TEXTS, pictures=[Picture("image/png", 3, "", png() + bytes(3_000_001))])
    write(tmp_path / "plain", kind, None, 70_000)
    for number, source in enumerate((FULL, large)):
        write(tmp_path / str(number), kind, source, 70_000)
        assert torch.equal(read(tmp_path / str(number)), read(tmp_path / "plain"))
        assert info_of(tmp_path / str(number)).pictures == tuple(source.pictures)


def test_a_wav_stays_plain(tmp_path: Path) -> None:
    data = write(tmp_path / "out", "wav", FULL)
    assert list(chunks(data)) == [b"JUNK", b"fmt ", b"LIST", b"data", b"id3 "]
    with wave.open(str(tmp_path / "out")) as file:
        assert file.getnframes() == 5_000 and len(file.readframes(9_000)) == 5_000 * 6
    assert sf.SoundFile(tmp_path / "out").copy_metadata()["artist"] == "椎名林檎; Björk"


def test_rf64_holds_tags_and_stays_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "plain", "wav", None)
    monkeypatch.setattr(wav, "_LIMIT", 20_000)
    monkeypatch.setattr(wav, "wav_chunks", lambda *_: b"")
    data = write(tmp_path / "out", "wav", FULL)
    assert data[:4] == b"RF64" and b"id3 " in data
    monkeypatch.undo()
    size, audio = struct.unpack("<QQ", data[20:36])
    assert (size, audio) == (len(data) - 8, 5_000 * 6)


def test_tracks_are_counted_as_each_format_does(tmp_path: Path) -> None:
    for kind in EXPORTERS:
        write(tmp_path / kind, kind, FULL)
    assert FLAC(tmp_path / "flac")["TRACKTOTAL"] == OggVorbis(tmp_path / "ogg")["TRACKTOTAL"] == ["12"]
    assert MP3(tmp_path / "mp3").tags["TRCK"].text == WAVE(tmp_path / "wav").tags["TRCK"].text == ["3/12"]
    assert MP3(tmp_path / "mp3").tags.version == (2, 4, 0)
    assert abs(MP3(tmp_path / "mp3").info.length - 5_000 / RATE) < 0.06


# What is strange


@pytest.mark.parametrize("kind", EXPORTERS)
def test_what_cannot_be_carried_is_left_out(tmp_path: Path, kind: str) -> None:
    odd = {
        "title": ["a\0b\udcff"],
        "artist": [],
        "album": [""],
        "a=b": ["no name of a Vorbis comment"],
        "名": ["nor this"],
        "date": ["Summer 1999"],
        "tracknumber": ["A1"],
        "tracktotal": ["9"],
        "R128_TRACK_GAIN": ["1"],
    }
    pictures = [
        Picture("-->", 3, "", b"https://example.org/cover.png"),
        Picture("image/png", 3, "", b""),
        Picture("image/png", 3, "", png() + bytes(1 << 24)),
        Picture("", 99, "\0\udcff" + "x" * 5_000, JPEG),
    ]
    source = AudioInfo(RATE, 2, 1, "x", tags=odd, pictures=pictures)
    write(tmp_path / "out", kind, complete_tags(source, tmp_path / "nothing more"))
    info = info_of(tmp_path / "out")
    assert info.tags == {"title": ("ab?",), "date": ("Summer 1999",), "tracknumber": ("A1/9",)}
    (picture,) = info.pictures
    assert (picture.mime, picture.kind, picture.data) == ("image/jpeg", 0, JPEG)


@pytest.mark.parametrize("kind", EXPORTERS)
def test_a_source_without_tags_makes_a_file_without_tags(tmp_path: Path, kind: str) -> None:
    data = write(tmp_path / "out", kind, AudioInfo(RATE, 2, 1, "x"))
    assert b"ID3" not in data and b"id3 " not in data
    assert not info_of(tmp_path / "out").tags


@pytest.mark.parametrize("kind", ["mp3", "flac", "ogg", "wav"])
def test_damaged_tags_never_fail_a_file(tmp_path: Path, kind: str) -> None:
    path = tagged(tmp_path, kind)
    data = path.read_bytes()
    place = data.find("東京".encode())
    generator = torch.Generator().manual_seed(1)
    for _ in range(40):
        at = int(torch.randint(max(place - 60, 12), place + 300, (), generator=generator))
        path.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        assert complete_tags(AudioInfo(RATE, 2, 1, "x"), path).frames == 1


BOMB = """
import resource, sys
from pathlib import Path
from upscaler_core.files.tags.reading import read_tags

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10

read_tags(Path(sys.argv[1]))
before = peak()
for path in sys.argv[1:]:
    (contents,) = read_tags(Path(path))
    texts = contents.texts
    assert [value for name, value in texts if name == "title"] == [["T"]] and not contents.pictures, texts
print(peak() - before)
"""


def test_compressed_frames_are_not_unpacked(tmp_path: Path) -> None:
    """By mutagen alone each of these takes hundreds of megabytes."""

    def frame(name: bytes, data: bytes, flags: bytes, size: bytes) -> bytes:
        return name + size + flags + data

    def seven_bits(size: int) -> bytes:
        return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))

    picture = zlib.compress(b"\0image/png\0\3\0" + bytes(150_000_000))
    inside = frame(b"APIC", bytes(4) + picture, b"\0\x09", seven_bits(len(picture) + 4))
    titles = frame(b"TIT2", b"\3T", b"\0\0", seven_bits(2))
    chapter = b"a\0" + bytes(16) + inside
    tags_of = {
        "2.4": (4, titles + inside),
        "2.3": (3, titles + frame(b"APIC", bytes(4) + picture, b"\0\x80", struct.pack(">I", len(picture) + 4))),
        "2.2 names": (3, titles + frame(b"PIC\0", bytes(4) + picture, b"\0\x80", struct.pack(">I", len(picture) + 4))),
        "chapter": (4, titles + frame(b"CHAP", chapter, b"\0\0", seven_bits(len(chapter)))),
    }
    for name, (major, frames) in tags_of.items():
        (tmp_path / name).write_bytes(b"ID3" + bytes([major, 0, 0]) + seven_bits(len(frames)) + frames)
    words = [sys.executable, "-c", BOMB, *sorted(tmp_path.iterdir())]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 50, f"{done.stdout} MiB"


@pytest.mark.parametrize("kind", EXPORTERS)
def test_whatever_mutagen_raises_the_audio_is_kept(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RecursionError("deep")

    path = tagged(tmp_path, kind)
    plain = untagged(tmp_path / f"plain.{kind}", kind)
    monkeypatch.setattr(mutagen, "File", fails)
    assert info_of(path).frames == info_of(plain).frames
    monkeypatch.setattr(id3.ID3, "save", fails)
    for module in (writing, vorbis):
        monkeypatch.setattr(module, "picture_block", fails)
    write(tmp_path / "out", kind, FULL)
    assert info_of(tmp_path / "out").tags["artist"] == ("椎名林檎; Björk",) and read(tmp_path / "out").shape == (
        2,
        5_000,
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["flac", "ogg"])
def test_comments_too_long_leave_the_file_as_it_was(tmp_path: Path, kind: str) -> None:
    source = AudioInfo(RATE, 2, 1, "x", tags={"title": ["T"], "lyrics": ["y" * (1 << 24)]})
    write(tmp_path / "out", kind, source)
    assert info_of(tmp_path / "out").tags["title"] == ("T",)
    assert read(tmp_path / "out").shape == (2, 5_000)


@pytest.mark.parametrize("kind", EXPORTERS)
def test_a_disk_that_fills_up_under_the_tags(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    large = AudioInfo(RATE, 2, 1, "x", tags=TEXTS, pictures=[Picture("image/png", 3, "", png() + bytes(300_000))])
    size = len(write(tmp_path / "out", kind, large))
    real = Path.open

    def opened(self: Path, mode: str = "r") -> object:
        if mode != "w+b":
            return real(self, mode)
        file = Full(self, mode)
        file.room = size - 1_000
        return file

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(OutputError, match="the disk is full"):
        write(tmp_path / "out", kind, large)


# Without mutagen


@pytest.mark.usefixtures("without_mutagen")
@pytest.mark.parametrize("kind", EXPORTERS)
def test_without_mutagen_text_travels(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "in.flac"
    with sf.SoundFile(path, "w", RATE, 2) as sound:
        sound.title, sound.artist, sound.tracknumber, sound.date = "曲", "A; B", "3", "1999-12-31"
        sound.write(music(5_000).T.numpy())
    assert read_tags(path) is None
    pipeline().write(path, tmp_path / f"out.{kind}")
    expected = {"title": ("曲",), "artist": ("A; B",), "tracknumber": ("3",), "date": ("1999-12-31",), **MADE}
    assert info_of(tmp_path / f"out.{kind}").tags == expected
    data = write(tmp_path / "out", kind, FULL)
    assert info_of(tmp_path / "out").tags["artist"] == ("椎名林檎; Björk",)
    assert png() not in data


# What was restored

RESTORED = "ai-audio-upscaler 9.9; restored above 7.8 kHz; restore"


@pytest.mark.parametrize("kind", EXPORTERS)
def test_a_restoration_is_read_back_from_every_format(tmp_path: Path, kind: str) -> None:
    source = AudioInfo(RATE, 2, None, "FLAC", tags={"title": ["T"], "enhanced_by": [RESTORED]})
    data = write(tmp_path / f"out.{kind}", kind, source)
    tags = info_of(tmp_path / f"out.{kind}").tags
    assert tags == {"title": ("T",), "enhanced_by": (RESTORED,)}
    assert restoration_of(tags) == Restoration("ai-audio-upscaler 9.9", 7_800.0, "restore")
    assert (b"ISFT" in data) == (kind == "wav") and write(tmp_path / f"out.{kind}", kind, source) == data


@pytest.mark.usefixtures("without_mutagen")
@pytest.mark.parametrize("kind", EXPORTERS)
def test_a_restoration_needs_no_mutagen(tmp_path: Path, kind: str) -> None:
    write(tmp_path / "out", kind, AudioInfo(RATE, 2, None, "FLAC", tags={"enhanced_by": [RESTORED]}))
    assert info_of(tmp_path / "out").tags == {"enhanced_by": (RESTORED,)}


def test_other_programs_are_no_restoration(tmp_path: Path) -> None:
    with sf.SoundFile(tmp_path / "in.wav", "w", RATE, 2) as sound:
        sound.software = "some editor 1.0; restored above all"
        sound.write(music(100).T.numpy())
    assert info_of(tmp_path / "in.wav").tags == {}
    assert restoration_of({"enhanced_by": ("by hand", RESTORED)}) == Restoration(
        "ai-audio-upscaler 9.9", 7_800.0, "restore"
    )
    assert restoration_of({"enhanced_by": ("by hand",)}) is None


def test_a_file_that_is_enhanced_again_has_one_tag_of_it() -> None:
    first = with_restoration(AudioInfo(RATE, 2, None, "FLAC"), 4_000.0, "restore")
    for above_hz, pipeline in ((16_000.0, "mine"), (None, "baseline")):
        first = with_restoration(first, above_hz, pipeline)
        (text,) = first.tags["enhanced_by"]
        assert text.partition("; ")[2] == "restored above 4.0 kHz; mine"
    plain = with_restoration(AudioInfo(RATE, 2, None, "FLAC"), None, "a\nb")
    (text,) = with_restoration(plain, None, "baseline").tags["enhanced_by"]
    assert plain.tags["enhanced_by"][0].endswith("; ab") and text.partition("; ")[2] == "baseline"
    assert restoration_of(plain.tags) is None and made_by(plain.tags) is not None
