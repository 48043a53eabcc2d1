"""What a file holds beside its audio, from real files to real files, as other programs read them."""

from __future__ import annotations

import io
import json
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
import soundfile as sf
from files.test_tags import JPEG, pipeline, png
from files.test_writers import chunks, music
from mutagen import apev2, id3
from mutagen.asf import ASF, ASFByteArrayAttribute
from mutagen.flac import FLAC
from mutagen.mp3 import MP3
from mutagen.mp4 import MP4, MP4FreeForm
from mutagen.oggvorbis import OggVorbis
from mutagen.wavpack import WavPack

from upscaler_core.pipeline.events import Finished

RATE = 24_000
needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")


def chunk(name: bytes, data: bytes, order: str = "<") -> bytes:
    return name + struct.pack(f"{order}I", len(data)) + data + bytes(len(data) % 2)


def pcm(frames: int = 2_400) -> bytes:
    buffer = io.BytesIO()
    sf.write(buffer, music(frames).T.numpy(), RATE, format="RAW", subtype="PCM_16")
    return buffer.getvalue()


def wav(path: Path, *others: bytes, rate: int = RATE, magic: bytes = b"RIFF") -> Path:
    form = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 2, rate, 4 * rate, 4, 16))
    body = b"WAVE" + form + chunk(b"data", pcm()) + b"".join(others)
    path.write_bytes(magic + struct.pack("<I", len(body)) + body)
    return path


def plain(path: Path, container: str = "WAV", coding: str = "PCM_16") -> Path:
    sf.write(path, music(2_400).T.numpy(), RATE, format=container, subtype=coding)
    return path


def converted(source: Path, target: Path) -> Finished:
    """To 48 kHz, twice the rate of most sources here."""
    return pipeline().write(source, target)


def ffmpeg(*words: str | Path) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, words)], check=True)


def ffprobe(path: Path) -> dict[str, Any]:
    words = ["ffprobe", "-v", "error", "-of", "json", "-show_format", "-show_chapters", str(path)]
    answer: dict[str, Any] = json.loads(subprocess.run(words, check=True, capture_output=True).stdout)
    return answer


# Chunks of a WAV file


def bext(time_reference: int) -> bytes:
    head = (
        b"Scene 12".ljust(256, b"\0") + b"Recorder".ljust(32, b"\0") + b"DE123".ljust(32, b"\0") + b"2020-01-0210:11:12"
    )
    loudness = struct.pack("<5h", -2300, 500, -100, -1900, -2000)
    rest = struct.pack("<QH", time_reference, 2) + bytes(range(64)) + loudness + bytes(180)
    return head + rest + b"A=PCM,F=24000,W=16,M=stereo\r\n"


IXML = (
    '<?xml version="1.0" encoding="UTF-8"?><BWFXML><SCENE>12 ä</SCENE><SPEED><FILE_SAMPLE_RATE>24000</FILE_SAMPLE_RATE>'
    "<AUDIO_BIT_DEPTH>16</AUDIO_BIT_DEPTH><DIGITIZER_SAMPLE_RATE>24000</DIGITIZER_SAMPLE_RATE>"
    "<TIMESTAMP_SAMPLE_RATE>24000</TIMESTAMP_SAMPLE_RATE>"
    "<TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI>0</TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_HI>"
    "<TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO>4294967295</TIMESTAMP_SAMPLES_SINCE_MIDNIGHT_LO></SPEED></BWFXML>"
).encode()
CUE = struct.pack("<I", 2) + b"".join(
    struct.pack("<II4sIII", number, place, b"data", 0, 0, place) for number, place in ((7, 100), (8, 2_001))
)
ADTL = (
    b"adtl"
    + chunk(b"labl", struct.pack("<I", 7) + b"Intro\0")
    + chunk(b"ltxt", struct.pack("<II4sHHHH", 8, 240, b"rgn ", 0, 0, 0, 0) + b"verse\0")
)
SMPL = struct.pack("<9I", 1, 2, 41_667, 60, 0, 0, 0, 1, 0) + struct.pack("<6I", 0, 0, 100, 199, 0, 3)
CART = bytearray(2_048)
CART[:4], CART[684:692] = b"0101", b"INT1" + struct.pack("<I", 480)
INST = bytes([60, 0, 0, 0, 127, 1, 127])
BROADCAST = (
    chunk(b"bext", bext(86_400 * RATE * 4)),
    chunk(b"iXML", IXML),
    chunk(b"cue ", CUE),
    chunk(b"LIST", ADTL),
    chunk(b"smpl", SMPL),
    chunk(b"inst", INST),
    chunk(b"cart", bytes(CART)),
)


def test_chunks_travel_from_wav_to_wav_and_their_positions_stay_true(tmp_path: Path) -> None:
    result = converted(wav(tmp_path / "in.wav", *BROADCAST), tmp_path / "out.wav")
    assert result.not_carried == () and result.warnings == ()
    found = chunks((tmp_path / "out.wav").read_bytes())
    before, after = bext(0), found[b"bext"]
    assert struct.unpack_from("<Q", after, 338)[0] == 86_400 * 48_000 * 4
    assert after[:338] == before[:338] and after[346:412] == before[346:412] and after[422:] == before[422:]
    assert struct.unpack_from("<5h", after, 412) == (0x7FFF,) * 5, "the old audio's loudness"
    text = found[b"iXML"].decode()
    assert "<SCENE>12 ä</SCENE>" in text and "<DIGITIZER_SAMPLE_RATE>24000<" in text
    assert "<FILE_SAMPLE_RATE>48000<" in text and "<TIMESTAMP_SAMPLE_RATE>48000<" in text
    assert "<AUDIO_BIT_DEPTH>24<" in text
    assert "MIDNIGHT_HI>1</" in text and "MIDNIGHT_LO>4294967294</" in text
    assert [struct.unpack_from("<II4sIII", found[b"cue "], place) for place in (4, 28)] == [
        (7, 200, b"data", 0, 0, 200),
        (8, 4_002, b"data", 0, 0, 4_002),
    ]
    assert ADTL[4:].replace(struct.pack("<I", 240), struct.pack("<I", 480)) in (tmp_path / "out.wav").read_bytes()
    assert struct.unpack("<15I", found[b"smpl"]) == (1, 2, 20_833, 60, 0, 0, 0, 1, 0, 0, 0, 200, 399, 0, 3)
    assert found[b"inst"] == INST
    assert found[b"cart"] == bytes(CART[:688]) + struct.pack("<I", 960) + bytes(CART[692:])


@needs_ffmpeg
def test_ffmpeg_finds_them_where_they_were(tmp_path: Path) -> None:
    source = wav(tmp_path / "in.wav", *BROADCAST, rate=44_100)
    converted(source, tmp_path / "out.wav")
    before, after = ffprobe(source), ffprobe(tmp_path / "out.wav")
    for old, new in zip(before["chapters"], after["chapters"], strict=True):
        assert abs(float(old["start_time"]) - float(new["start_time"])) < 1 / 48_000
    assert after["format"]["tags"]["comment"] == "Scene 12"
    old, new = (int(each["format"]["tags"]["time_reference"]) for each in (before, after))
    assert new == round(old * 48_000 / 44_100)


@pytest.mark.parametrize("suffix", [".flac", ".mp3", ".ogg"])
def test_where_they_cannot_travel_they_are_named(tmp_path: Path, suffix: str) -> None:
    result = converted(wav(tmp_path / "in.wav", *BROADCAST, chunk(b"umid", b"1234")), tmp_path / f"out{suffix}")
    (warning,) = result.warnings
    for word in ("bext", "iXML", "cue", "labels", "smpl", "inst", "cart", "umid"):
        assert word in warning and any(word in each for each in result.not_carried)


def test_damaged_chunks_are_named_and_the_others_travel(tmp_path: Path) -> None:
    damaged = (chunk(b"bext", b"short"), chunk(b"cue ", struct.pack("<I", 9)), chunk(b"inst", INST))
    result = converted(wav(tmp_path / "in.wav", *damaged), tmp_path / "out.wav")
    assert result.not_carried == ("broadcast data (bext)", "cue points (cue)")
    assert chunks((tmp_path / "out.wav").read_bytes())[b"inst"] == INST


def test_a_missing_pad_byte_hides_no_chunk(tmp_path: Path) -> None:
    unpadded = b"note" + struct.pack("<I", 3) + b"abc"
    result = converted(wav(tmp_path / "in.wav", unpadded, chunk(b"inst", INST)), tmp_path / "out.wav")
    assert result.not_carried == ("the chunk note",)
    assert chunks((tmp_path / "out.wav").read_bytes())[b"inst"] == INST


@pytest.mark.parametrize(
    ("text", "code_page", "expected"),
    [
        ("Für Elise – Größe", None, "cp1252"),
        ("Für Elise – Größe", None, "utf-8"),
        ("Лебединое озеро", 1251, "cp1251"),
        ("夜曲", 932, "shift_jis"),
    ],
)
def test_texts_in_a_code_page_stay_what_they_are(
    tmp_path: Path, text: str, code_page: int | None, expected: str
) -> None:
    info = chunk(b"LIST", b"INFO" + chunk(b"INAM", text.encode(expected) + b"\0") + chunk(b"IXYZ", b"odd\0"))
    charset = chunk(b"CSET", struct.pack("<HHHH", code_page, 0, 0, 0)) if code_page else b""
    source = wav(tmp_path / "in.wav", info, charset)
    for suffix, kind in ((".flac", FLAC), (".ogg", OggVorbis)):
        assert converted(source, tmp_path / f"out{suffix}").not_carried == ()
        assert kind(tmp_path / f"out{suffix}")["TITLE"] == [text] and kind(tmp_path / f"out{suffix}")["IXYZ"] == ["odd"]
    converted(source, tmp_path / "out.wav")
    assert text.encode() in (tmp_path / "out.wav").read_bytes()


def test_texts_and_markers_of_an_aiff(tmp_path: Path) -> None:
    head = struct.pack(">hIh", 2, 2_400, 16) + bytes.fromhex("400DBB80000000000000")
    mark = struct.pack(">H", 2) + struct.pack(">hI", 1, 100) + b"\x05Intro" + struct.pack(">hI", 2, 200) + b"\x04Part\0"
    samples = bytes(byte for k in range(0, 9_600, 2) for byte in reversed(pcm()[k : k + 2]))
    parts = [(b"COMM", head), (b"NAME", "Größe".encode("cp1252")), (b"ANNO", b"note"), (b"MARK", mark)]
    body = b"AIFF" + b"".join(chunk(*part, order=">") for part in [*parts, (b"SSND", bytes(8) + samples)])
    (tmp_path / "in.aiff").write_bytes(b"FORM" + struct.pack(">I", len(body)) + body)
    assert converted(tmp_path / "in.aiff", tmp_path / "out.wav").not_carried == ()
    data = (tmp_path / "out.wav").read_bytes()
    assert "Größe".encode() in data and b"note" in data and b"Intro\0" in data and b"Part\0" in data
    assert [struct.unpack_from("<II", chunks(data)[b"cue "], place) for place in (4, 28)] == [(1, 200), (2, 400)]
    assert "cue points (cue)" in converted(tmp_path / "in.aiff", tmp_path / "out.flac").not_carried


# Chapters

STARTS = (0.0, 0.05)


@needs_ffmpeg
@pytest.mark.parametrize("source", ["m4b", "mka", "mp3", "flac"])
def test_chapters_travel(tmp_path: Path, source: str) -> None:
    words = "".join(
        f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={start}\nEND={end}\ntitle={title}\n"
        for start, end, title in ((0, 50, "One"), (50, 100, "Zwei – ü"))
    )
    (tmp_path / "words").write_text(f";FFMETADATA1\ntitle=Book\n{words}", encoding="utf-8")
    path = tmp_path / f"in.{source}"
    ffmpeg("-i", plain(tmp_path / "in.wav"), "-i", tmp_path / "words", "-map_metadata", "1", "-map_chapters", "1", path)
    if source == "flac":  # ffmpeg reads chapters of FLAC files, and writes none
        file = FLAC(path)
        file["CHAPTER01"], file["CHAPTER01NAME"] = "00:00:00.000", "One"
        file["CHAPTER02"], file["CHAPTER02NAME"] = "00:00:00.050", "Zwei – ü"
        file.save()
    for suffix in (".mp3", ".flac", ".ogg", ".wav"):
        out = tmp_path / f"out{suffix}"
        assert converted(path, out).not_carried == ()
        found = ffprobe(out)["chapters"]
        assert [each["tags"]["title"] for each in found] == ["One", "Zwei – ü"]
        assert [float(each["start_time"]) for each in found] == pytest.approx(STARTS, abs=0.002)
    assert FLAC(tmp_path / "out.flac")["CHAPTER002"] == ["00:00:00.050"]
    tag = MP3(tmp_path / "out.mp3").tags
    assert tag.getall("CTOC")[0].child_element_ids == [frame.element_id for frame in tag.getall("CHAP")]


# Names, credits and ratings


def tagged_mp3(path: Path) -> Path:
    plain(path, "MP3", "MPEG_LAYER_III")
    tag = id3.ID3()
    frames = [
        id3.TIT2(3, ["T"]),
        id3.UFID("http://musicbrainz.org", b"recording-1"),
        id3.TXXX(3, "MusicBrainz Album Id", ["album-1"]),
        id3.TXXX(3, "MusicBrainz Album Type", ["album", "live"]),
        id3.TXXX(3, "MusicBrainz Release Track Id", ["track-1"]),
        id3.TXXX(3, "Acoustid Id", ["acoustid-1"]),
        id3.TXXX(3, "my own", ["x"]),
        id3.POPM(email="Windows Media Player 9 Series", rating=196, count=5),
        id3.WXXX(3, "fan", "http://fan.example/"),
        id3.WOAR("http://artist.example/"),
        id3.TIPL(3, [["producer", "P"], ["mix", "M"]]),
        id3.TMCL(3, [["piano", "B"], ["cello", "C"]]),
        id3.COMM(3, "eng", "Songs-DB_Custom1", ["c"]),
    ]
    for frame in frames:
        tag.add(frame)
    tag.save(path)
    return path


def test_picard_and_players_find_an_mp3_again_in_a_flac(tmp_path: Path) -> None:
    assert converted(tagged_mp3(tmp_path / "in.mp3"), tmp_path / "out.flac").not_carried == ()
    found = {name.upper(): values for name, values in FLAC(tmp_path / "out.flac").tags.as_dict().items()}
    found.pop("ENHANCED_BY")
    assert found == {
        "TITLE": ["T"],
        "MUSICBRAINZ_TRACKID": ["recording-1"],
        "MUSICBRAINZ_ALBUMID": ["album-1"],
        "RELEASETYPE": ["album", "live"],
        "MUSICBRAINZ_RELEASETRACKID": ["track-1"],
        "ACOUSTID_ID": ["acoustid-1"],
        "MY OWN": ["x"],
        "RATING": ["80"],
        "RATING_EMAIL": ["Windows Media Player 9 Series"],
        "PLAY_COUNT": ["5"],
        "WWW FAN": ["http://fan.example/"],
        "WEBSITE": ["http://artist.example/"],
        "PRODUCER": ["P"],
        "MIXER": ["M"],
        "PERFORMER": ["B (piano)", "C (cello)"],
        "COMMENT:SONGS-DB_CUSTOM1": ["c"],
    }


@pytest.mark.parametrize("way", [[".mp3"], [".flac", ".mp3"], [".ogg", ".wav", ".mp3"]])
def test_an_mp3_comes_back_as_it_was(tmp_path: Path, way: list[str]) -> None:
    source = tagged_mp3(tmp_path / "in.mp3")
    for number, suffix in enumerate(way):
        target = tmp_path / f"{number}{suffix}"
        assert converted(source, target).not_carried == ()
        source = target
    tag = MP3(source).tags
    assert tag["UFID:http://musicbrainz.org"].data == b"recording-1"
    assert tag["TXXX:MusicBrainz Album Id"].text == ["album-1"] and tag["TXXX:Acoustid Id"].text == ["acoustid-1"]
    assert tag["TXXX:MusicBrainz Album Type"].text == ["album", "live"]
    rating = tag["POPM:Windows Media Player 9 Series"]
    assert (rating.rating, rating.count) == (196, 5)
    assert tag["WXXX:fan"].url == "http://fan.example/" and tag["WOAR:http://artist.example/"]
    assert sorted(tag["TIPL"].people) == [["mix", "M"], ["producer", "P"]]
    assert sorted(tag["TMCL"].people) == [["cello", "C"], ["piano", "B"]]


def test_what_has_no_place_in_any_format_is_named(tmp_path: Path) -> None:
    path = tagged_mp3(tmp_path / "in.mp3")
    tag = id3.ID3(path)
    for frame in (
        id3.PRIV("me", b"x"),
        id3.GEOB(3, "a", "b", "c", b"d"),
        id3.TXXX(3, "replaygain_track_gain", ["-7 dB"]),
    ):
        tag.add(frame)
    tag.save(path)
    result = converted(path, tmp_path / "out.flac")
    assert [
        word for word in ("PRIV", "GEOB", "ReplayGain") if not any(word in each for each in result.not_carried)
    ] == []
    (warning,) = result.warnings
    assert warning.startswith("the output does not hold ") and len(result.not_carried) == 3


@needs_ffmpeg
def test_names_of_an_m4a(tmp_path: Path) -> None:
    path = tmp_path / "in.m4a"
    ffmpeg("-i", plain(tmp_path / "in.wav"), path)
    file = MP4(path)
    for name, text in (("MusicBrainz Track Id", b"recording-1"), ("MusicBrainz Album Id", b"album-1"), ("LABEL", b"L")):
        file[f"----:com.apple.iTunes:{name}"] = [MP4FreeForm(text)]
    file["©wrk"], file["rtng"] = ["Work"], [2]
    file.save()
    assert converted(path, tmp_path / "out.flac").not_carried == ()
    found = FLAC(tmp_path / "out.flac")
    assert (found["MUSICBRAINZ_TRACKID"], found["MUSICBRAINZ_ALBUMID"]) == (["recording-1"], ["album-1"])
    assert (found["LABEL"], found["WORK"], found["ITUNESADVISORY"]) == (["L"], ["Work"], ["2"])
    converted(path, tmp_path / "out.mp3")
    assert MP3(tmp_path / "out.mp3").tags["UFID:http://musicbrainz.org"].data == b"recording-1"


@needs_ffmpeg
def test_apev2_of_wavpack_and_mp3(tmp_path: Path) -> None:
    ffmpeg("-i", plain(tmp_path / "in.wav"), tmp_path / "in.wv")
    file = WavPack(tmp_path / "in.wv")
    file["Title"], file["Album Artist"], file["Track"], file["Year"] = "W", ["A", "B"], "3/9", "1999"
    file["MUSICBRAINZ_ALBUMTYPE"] = "live"
    file["Cover Art (Back)"] = apev2.APEValue(b"back.png\0" + png(), apev2.BINARY)
    file.save()
    assert converted(tmp_path / "in.wv", tmp_path / "out.flac").not_carried == ()
    found = FLAC(tmp_path / "out.flac")
    assert found["ALBUMARTIST"] == ["A", "B"] and found["RELEASETYPE"] == ["live"] and found["DATE"] == ["1999"]
    assert (found["TRACKNUMBER"], found["TRACKTOTAL"]) == (["3"], ["9"])
    assert [(picture.type, picture.data) for picture in found.pictures] == [(4, png())]

    mp3 = plain(tmp_path / "in.mp3", "MP3", "MPEG_LAYER_III")
    tag = apev2.APEv2()
    tag["Artist"], tag["Title"] = "From APE", "From APE"
    tag.save(mp3)
    first = id3.ID3()
    first.add(id3.TIT2(3, ["From ID3"]))
    first.save(mp3)
    converted(mp3, tmp_path / "mp3.flac")
    found = FLAC(tmp_path / "mp3.flac")
    assert found["TITLE"] == ["From ID3"] and found["ARTIST"] == ["From APE"]


@needs_ffmpeg
def test_windows_media(tmp_path: Path) -> None:
    ffmpeg("-i", plain(tmp_path / "in.wav"), tmp_path / "in.wma")
    file = ASF(tmp_path / "in.wma")
    file["Title"], file["WM/AlbumArtist"], file["MusicBrainz/Track Id"], file["WM/SharedUserRating"] = (
        "W",
        "AA",
        "id",
        "75",
    )
    words = "image/jpeg".encode("utf-16-le") + b"\0\0" + "ü".encode("utf-16-le") + b"\0\0"
    file["WM/Picture"] = ASFByteArrayAttribute(struct.pack("<bI", 3, len(JPEG)) + words + JPEG)
    file.save()
    assert converted(tmp_path / "in.wma", tmp_path / "out.flac").not_carried == ()
    found = FLAC(tmp_path / "out.flac")
    assert (found["TITLE"], found["ALBUMARTIST"], found["MUSICBRAINZ_TRACKID"]) == (["W"], ["AA"], ["id"])
    assert found["RATING"] == ["80"]
    (picture,) = found.pictures
    assert (picture.type, picture.mime, picture.desc, picture.data) == (3, "image/jpeg", "ü", JPEG)


@needs_ffmpeg
def test_texts_and_pictures_of_matroska(tmp_path: Path) -> None:
    (tmp_path / "c.png").write_bytes(png())
    words = [
        "-attach",
        tmp_path / "c.png",
        "-metadata:s:t",
        "mimetype=image/png",
        "-metadata:s:t",
        "filename=cover.png",
    ]
    texts = ["-metadata", "title=T", "-metadata", "CATALOG=42", "-metadata", "ALBUM_ARTIST=AA"]
    ffmpeg("-i", plain(tmp_path / "in.wav"), *words, *texts, tmp_path / "in.mka")
    assert converted(tmp_path / "in.mka", tmp_path / "out.flac").not_carried == ()
    found = FLAC(tmp_path / "out.flac")
    assert (found["TITLE"], found["CATALOG"], found["ALBUMARTIST"]) == (["T"], ["42"], ["AA"])
    assert [(picture.type, picture.data) for picture in found.pictures] == [(3, png())]


@pytest.mark.skipif(not shutil.which("flac"), reason="flac is not installed")
def test_chunks_that_flac_has_kept_come_back(tmp_path: Path) -> None:
    wav(tmp_path / "in.wav", *BROADCAST)
    words = ["flac", "-s", "--keep-foreign-metadata", "-o", tmp_path / "in.flac", tmp_path / "in.wav"]
    subprocess.run(words, check=True)
    assert converted(tmp_path / "in.flac", tmp_path / "out.wav").not_carried == ()
    found = chunks((tmp_path / "out.wav").read_bytes())
    assert struct.unpack_from("<Q", found[b"bext"], 338)[0] == 86_400 * 48_000 * 4 and b"cue " in found
