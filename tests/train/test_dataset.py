"""Training from shards: tar archives of recordings, as WebDataset lays them out."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
from pathlib import Path

import pytest

from upscaler_core import InputError, UsageError, discover
from upscaler_train.recordings import Cache, audio_files
from upscaler_train.sources import kind_of, provenance

BEAT, SPEECH, VOID = (
    "arovane_beat_d_cc0_lossless.flac",
    "speech_kerstin_de_cc0_48k.flac",
    "void_sensor_30s_streamcopy.ogg",
)


def pack(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def note(**facts: object) -> bytes:
    return json.dumps(facts).encode()


class Opened:
    """Says so when it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("it was unpickled",)


@pytest.fixture
def shards(tmp_path, audio):
    """Two shards, one recording with all that WebDataset may put beside it."""
    content = {name: (audio / name).read_bytes() for name in (BEAT, SPEECH, VOID)}
    pack(
        tmp_path / "shards" / "music-09.tar",
        {
            "./a/beat.take1.flac": content[BEAT],
            "./a/beat.json": note(kind="drums", package="arovane", licence="CC0", bandwidth_hz=20_000),
            "./a/beat.pickle": pickle.dumps(Opened()),
            "./a/beat.cls": b"7",
            "b.ogg": content[VOID],
        },
    )
    pack(
        tmp_path / "shards" / "music-10.tar",
        {"c.flac": content[SPEECH], "c.json": note(kind="speech", package="kerstin")},
    )
    return tmp_path / "shards"


@pytest.mark.parametrize("pattern", ["shards/music-{09..10}.tar", "shards", "shards/*.tar"])
def test_a_range_a_folder_and_a_glob_name_what_is_in_shards(shards, pattern):
    found = audio_files([pattern], shards.parent, discover())
    names = ["music-09.tar/a/beat.take1.flac", "music-09.tar/b.ogg", "music-10.tar/c.flac"]
    assert [path.relative_to(shards).as_posix() for path in found] == names


def test_json_says_what_a_manifest_would(shards):
    beat, void, speech = map(str, audio_files([str(shards)], shards, discover()))
    assert [kind_of(beat), kind_of(void), kind_of(speech)] == ["drums", "", "speech"]
    assert provenance([beat, void, speech]) == (["arovane", "kerstin", "music-09.tar"], ["CC0"])


def test_training_from_shards_is_training_from_their_files(training, shards, audio):
    files = [str(audio / name) for name in (BEAT, VOID, SPEECH)]
    for out, train in [("plain", files), ("packed", ["shards/music-{09..10}.tar"])]:
        training.write(lambda recipe, train=train: recipe["data"].update(train=train, validation=[]))
        done = training(out=out)
        assert done.returncode == 0, done.stderr
    assert training.steps("packed") == training.steps("plain")
    assert sorted(path.name for path in shards.iterdir()) == ["music-09.tar", "music-10.tar"]  # nothing beside them


def test_what_is_no_audio_in_a_shard_is_told_by_its_name_and_left_out(tmp_path, cache, audio):
    broken = pack(tmp_path / "x.tar", {"a.flac": b"no audio " * 99, "b.flac": (audio / SPEECH).read_bytes()})
    warned: list[str] = []
    store = Cache(cache, 2**30, 48_000, discover().resampler("poly-sinc-hq"), discover())
    found = list(store.recordings(audio_files([str(broken)], tmp_path, discover()), warned.append))
    assert [recording and recording.source for recording in found] == [None, str(broken / "b.flac")]
    (sentence,) = warned
    assert sentence.startswith(f"{broken / 'a.flac'} cannot be read: ")
    assert sentence.endswith("left out")


def truncated(path: Path) -> None:
    pack(path, {"a.flac": bytes(9_000)})
    path.write_bytes(path.read_bytes()[:5_000])


def overwritten(path: Path) -> None:
    pack(path, {"a.flac": bytes(512), "b.flac": bytes(512)})
    content = path.read_bytes()
    path.write_bytes(content[:1_024] + b"x" * 512 + content[1_536:])


def with_a_length(size: int):
    """The second member's length, in base 256, with the checksum made right."""

    def write(path: Path) -> None:
        pack(path, {"a.flac": bytes(512), "b.flac": bytes(512)})
        content = bytearray(path.read_bytes())
        header = content[1_024:1_536]
        header[124:136] = size.to_bytes(12, "big", signed=True) if size < 0 else b"\x80" + size.to_bytes(11, "big")
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        content[1_024:1_536] = header
        path.write_bytes(content)

    return write


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda path: path.write_bytes(b"no archive at all\n" * 99), "x.tar is no whole tar archive: "),
        (truncated, "x.tar is no whole tar archive: unexpected end of data"),
        (overwritten, "x.tar is no whole tar archive: what is at byte 1,024 is no header"),
        (with_a_length(2**40), "x.tar is no whole tar archive: "),
        (with_a_length(-1_024), "x.tar is no whole tar archive: a length is -1,024"),
        (lambda path: pack(path, {"../../a.flac": b"x"}), "whose name leads out of it: '../../a.flac'"),
        (lambda path: pack(path, {"/etc/a.flac": b"x"}), "whose name leads out of it: '/etc/a.flac'"),
        (lambda path: pack(path, {"a.flac": b"x", "a.json": b"{"}), "x.tar/a.json is no JSON object"),
        (lambda path: pack(path, {"a.flac": b"x", "a.json": b"[7]"}), "x.tar/a.json is no JSON object"),
        (lambda path: pack(path, {"a.flac": b"x", "a.json": b"[" * 99_999}), "x.tar/a.json is no JSON object"),
    ],
)
def test_a_bad_shard_is_told_in_a_sentence(tmp_path, write, said):
    write(tmp_path / "x.tar")
    with pytest.raises(InputError) as error:
        audio_files(["x.tar"], tmp_path, discover())
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_shard_that_is_missing_in_a_range_is_named(shards):
    with pytest.raises(UsageError, match=r"music-11\.tar: there is no audio file"):
        audio_files(["music-{09..12}.tar"], shards, discover())


def test_links_and_holes_in_a_shard_are_no_recordings(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for name, kind in [("a.flac", tarfile.SYMTYPE), ("b.flac", tarfile.LNKTYPE), ("c.flac", tarfile.FIFOTYPE)]:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        hole = tarfile.TarInfo("d.flac")  # a terabyte, by its header, and not a byte of it there
        hole.pax_headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": str(2**40)}
        archive.addfile(hole)
    with pytest.raises(UsageError, match="there is no audio file"):
        audio_files(["x.tar"], tmp_path, discover())
