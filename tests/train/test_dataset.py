"""The dataset on disk: files, folders, globs; and tar archives of recordings, as WebDataset lays them out."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
from pathlib import Path

import pytest

from upscaler_core import InputError, UsageError, discover
from upscaler_train.data.dataset import find_recordings, kind_of, provenance
from upscaler_train.data.recordings import RecordingCache

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


def json_bytes(**facts: object) -> bytes:
    return json.dumps(facts).encode()


class FailsWhenUnpickled:
    """Fails the test when it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("it was unpickled",)


@pytest.fixture
def archives(tmp_path, audio):
    """A folder with two tar archives. One recording has all files beside it that WebDataset may put there."""
    content = {name: (audio / name).read_bytes() for name in (BEAT, SPEECH, VOID)}
    pack(
        tmp_path / "archives" / "music-09.tar",
        {
            "./a/beat.take1.flac": content[BEAT],
            "./a/beat.json": json_bytes(kind="drums", package="arovane", licence="CC0", bandwidth_hz=20_000),
            "./a/beat.pickle": pickle.dumps(FailsWhenUnpickled()),
            "./a/beat.cls": b"7",
            "b.ogg": content[VOID],
        },
    )
    pack(
        tmp_path / "archives" / "music-10.tar",
        {"c.flac": content[SPEECH], "c.json": json_bytes(kind="speech", package="kerstin")},
    )
    return tmp_path / "archives"


def test_folders_files_and_globs_name_each_recording_once(audio):
    recordings = find_recordings(
        [str(audio), str(audio / "*.ogg"), "audio/arovane_beat_d_cc0_lossless.flac"], audio.parent, discover()
    )
    assert sorted(path.name for path in recordings) == sorted(
        p.name for p in audio.iterdir() if p.suffix in (".flac", ".ogg")
    )


@pytest.mark.parametrize("pattern", ["archives/music-{09..10}.tar", "archives", "archives/*.tar"])
def test_a_range_a_folder_and_a_glob_name_what_is_in_archives(archives, pattern):
    recordings = find_recordings([pattern], archives.parent, discover())
    names = ["music-09.tar/a/beat.take1.flac", "music-09.tar/b.ogg", "music-10.tar/c.flac"]
    assert [path.relative_to(archives).as_posix() for path in recordings] == names


def test_json_in_an_archive_is_a_row_of_the_dataset_table(archives):
    beat, void, speech = map(str, find_recordings([str(archives)], archives, discover()))
    assert [kind_of(beat), kind_of(void), kind_of(speech)] == ["drums", "", "speech"]
    assert provenance([beat, void, speech]) == (["arovane", "kerstin", "music-09.tar"], ["CC0"])


@pytest.mark.slow
def test_training_from_archives_is_training_from_their_files(training, archives, audio):
    files = [str(audio / name) for name in (BEAT, VOID, SPEECH)]
    for out, train in [("plain", files), ("packed", ["archives/music-{09..10}.tar"])]:
        training.write(lambda recipe, train=train: recipe["data"].update(train=train, validation=[]))
        done = training(out=out)
        assert done.returncode == 0, done.stderr
    assert training.steps("packed") == training.steps("plain")
    assert sorted(path.name for path in archives.iterdir()) == ["music-09.tar", "music-10.tar"]  # nothing beside them


def test_what_is_no_audio_in_an_archive_is_named_and_left_out(tmp_path, cache, audio):
    broken = pack(tmp_path / "x.tar", {"a.flac": b"no audio " * 99, "b.flac": (audio / SPEECH).read_bytes()})
    warnings: list[str] = []
    store = RecordingCache(cache, 2**30, 48_000, discover().resampler("poly-sinc-hq"), discover())
    decoded = list(store.recordings(find_recordings([str(broken)], tmp_path, discover()), warnings.append))
    assert [recording and recording.source for recording in decoded] == [None, str(broken / "b.flac")]
    (message,) = warnings
    assert message.startswith(f"{broken / 'a.flac'} cannot be read: ")
    assert message.endswith("left out")


def truncated(path: Path) -> None:
    pack(path, {"a.flac": bytes(9_000)})
    path.write_bytes(path.read_bytes()[:5_000])


def overwritten(path: Path) -> None:
    pack(path, {"a.flac": bytes(512), "b.flac": bytes(512)})
    content = path.read_bytes()
    path.write_bytes(content[:1_024] + b"x" * 512 + content[1_536:])


def with_a_length(size: int):
    """Write an archive whose second member has this length, in base 256, with the right checksum."""

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
    ("write", "message"),
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
def test_a_damaged_archive_is_one_message(tmp_path, write, message):
    write(tmp_path / "x.tar")
    with pytest.raises(InputError) as error:
        find_recordings(["x.tar"], tmp_path, discover())
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_an_archive_that_is_missing_in_a_range_is_named(archives):
    with pytest.raises(UsageError, match=r"music-11\.tar: there is no audio file"):
        find_recordings(["music-{09..12}.tar"], archives, discover())


def test_links_and_sparse_files_in_an_archive_are_no_recordings(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for name, kind in [("a.flac", tarfile.SYMTYPE), ("b.flac", tarfile.LNKTYPE), ("c.flac", tarfile.FIFOTYPE)]:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        sparse = tarfile.TarInfo("d.flac")  # a terabyte, by its header, and not a byte of it there
        sparse.pax_headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": str(2**40)}
        archive.addfile(sparse)
    with pytest.raises(UsageError, match="there is no audio file"):
        find_recordings(["x.tar"], tmp_path, discover())
