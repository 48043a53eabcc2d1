"""Which files are meant by files, folders and glob patterns."""

import os
from pathlib import Path

import pytest

from upscaler_core import UsageError, discover
from upscaler_core.files import audio_suffixes, find_inputs


@pytest.fixture(scope="module")
def registry():
    return discover()


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = "b.wav a.FLAC notes.txt .hidden.wav deep/er/c.mp3 out/a.flac [1].wav .stfolder/s.wav @eaDir/t.wav"
    for name in names.split():
        Path("in", name).parent.mkdir(parents=True, exist_ok=True)
        Path("in", name).write_bytes(b"x")
    return tmp_path


def names(inputs, registry, output=None):
    return [(path.as_posix(), folder.as_posix()) for path, folder in find_inputs(inputs, registry, output)]


def test_suffixes_are_those_of_the_readers(registry, fake_registry):
    assert audio_suffixes(fake_registry) == {".raw"}
    assert {".wav", ".flac", ".mp3", ".ogg"} <= audio_suffixes(registry)


def test_a_folder_is_searched_to_the_bottom_in_order(tree, registry):
    expected = ["[1].wav", "a.FLAC", "b.wav", "deep/er/c.mp3", "out/a.flac"]
    assert names(["in"], registry) == [(f"in/{name}", Path(name).parent.as_posix()) for name in expected]


@pytest.mark.parametrize("output", ["in/out", "in/out/", "in/deep/../out"])
def test_a_folder_of_outputs_is_left_out_of_the_search(tree, registry, output):
    assert "in/out/a.flac" not in dict(names(["in"], registry, output))


def test_the_searched_folder_itself_may_take_the_outputs(tree, registry):
    assert len(names(["in"], registry, "in")) == 5


def test_what_is_in_the_folder_of_outputs_is_told(tree, registry):
    told = []
    list(find_inputs(["in"], registry, "in/out", left_out=lambda path, why: told.append((path, why))))
    assert told == [(Path("in/out/a.flac"), "in the output folder")]


def test_links_are_followed_and_loops_are_not(tree, registry):
    Path("album/cd 1").mkdir(parents=True)
    Path("album/cd 1/x.wav").write_bytes(b"x")
    Path("in/linked").symlink_to(Path("album").absolute())
    Path("album/loop").symlink_to(Path("in").absolute())
    Path("in/gone").symlink_to("nowhere")
    told = []
    found = find_inputs(["in"], registry, left_out=lambda path, why: told.append((path, why)))
    linked = [path.as_posix() for path, _ in found if "linked" in path.parts]
    assert linked == ["in/linked/cd 1/x.wav"]
    assert told == [(Path("in/gone"), "a link that leads nowhere")]
    assert [name for name, _ in names(["in/**/x.wav"], registry)] == linked


@pytest.mark.parametrize("folder", ["Album [2020]", "A {stem}", "a*b", "~", "?"])
def test_a_folder_is_taken_literally_whatever_its_name(tree, registry, folder):
    Path(folder).mkdir()
    Path(folder, "x.wav").write_bytes(b"x")
    place = (Path(folder) / "x.wav").as_posix()
    assert [name for name, _ in find_inputs(["*.wav"], registry, folder=Path(folder))] == [Path(place)]
    if folder != "~":
        assert names([f"{folder}/*.wav"], registry) == [(place, ".")]
        assert names([folder], registry) == [(place, ".")]


def test_a_tilde_is_the_home_folder(tree, registry, monkeypatch):
    monkeypatch.setenv("HOME", str(tree / "in"))
    assert names(["~/b.wav"], registry) == [((tree / "in" / "b.wav").as_posix(), ".")]
    assert names(["~/b*.wav"], registry, None) == [((tree / "in" / "b.wav").as_posix(), ".")]


def test_standard_input_is_refused_in_a_sentence(tree, registry):
    with pytest.raises(UsageError, match="standard input"):
        names(["-"], registry)


def test_what_is_named_is_taken_whatever_its_name(tree, registry):
    inputs = ["in/notes.txt", "in/.hidden.wav", "in/.stfolder/s.wav", "missing.wav", "in/[1].wav"]
    assert names(inputs, registry) == [(name, ".") for name in inputs]


def test_a_pattern_takes_files_and_no_folders(tree, registry):
    assert names(["in/*"], registry) == [(f"in/{name}", ".") for name in ("[1].wav", "a.FLAC", "b.wav", "notes.txt")]
    assert names(["in/**/*.mp3"], registry) == [("in/deep/er/c.mp3", ".")]
    assert names([str(tree / "in" / "?.wav")], registry) == [((tree / "in" / "b.wav").as_posix(), ".")]
    assert names(["in/**/t.wav"], registry) == []  # a folder of thumbnails
    assert names(["in/@eaDir/t*.wav"], registry) == [("in/@eaDir/t.wav", ".")]
    assert names(["nothing*"], registry) == []


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read_is_an_input_that_fails(tree, registry):
    Path("in/deep/er").chmod(0)
    try:
        assert ("in/deep/er", "deep/er") in names(["in"], registry)
    finally:
        Path("in/deep/er").chmod(0o755)


def test_a_name_that_is_too_long_is_yielded_and_fails_when_it_is_opened(tree, registry):
    assert names(["x" * 5_000], registry) == [("x" * 5_000, ".")]
