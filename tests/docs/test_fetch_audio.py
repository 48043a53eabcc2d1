"""The recipe that fetches training audio: a package made here goes through it, without the network."""

import csv
import importlib.util
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

RECIPES = Path(__file__).parents[2] / "examples" / "recipes"
SPEC = importlib.util.spec_from_file_location("fetch_audio", RECIPES / "fetch_audio.py")
recipe = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(recipe)

TABLE = """package,paths,kind,licence,what
game,*/secret*,leave,CC0-1.0,
game,*/voice/*,speech,CC-BY-4.0,
game,*,music,"CC-BY-SA-3.0, GPL-2+",
"""


def noise(path: Path, ends_hz: float, rate: int = 48_000, seconds: float = 2) -> None:
    """White noise that ends in a brick wall."""
    spectrum = np.fft.rfft(np.random.default_rng(round(ends_hz)).normal(size=round(rate * seconds)) / 10)
    spectrum[round(ends_hz * seconds) :] = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.fft.irfft(spectrum), rate)


@pytest.fixture
def network(tmp_path, monkeypatch):
    """An archive with one package, `game`, which is a tar file, and a tool to unpack it."""
    files = tmp_path / "package" / "usr"
    noise(files / "music" / "bright tune.wav", 24_000)
    noise(files / "music" / "dull.wav", 12_000)
    noise(files / "music" / "tape.wav", 15_000)
    noise(files / "voice" / "tape.flac", 15_200)
    noise(files / "music" / "blip.wav", 24_000, seconds=0.5)
    noise(files / "music" / "old.wav", 16_000, rate=32_000)
    noise(files / "music" / "secret.wav", 23_000)
    (files / "music" / "copy.wav").write_bytes((files / "music" / "bright tune.wav").read_bytes())
    (files / "music" / "broken.ogg").write_bytes(b"OggS" * 99)
    noise(tmp_path / "inner.wav", 18_000)
    with zipfile.ZipFile(files / "data.pk3", "w") as archive:
        archive.write(tmp_path / "inner.wav", "sound/inner.wav")
        archive.writestr("readme.txt", "no sound")
    with tarfile.open(tmp_path / "game.deb", "w") as deb:
        deb.add(files, "usr")
    tools = {
        "apt-get": f'test "$3" = game && cp {tmp_path}/game.deb game_1.2-3_all.deb',
        "dpkg-deb": 'tar -xf "$2" -C "$3"',
    }
    for name, script in tools.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(recipe, "TABLE", tmp_path / "table.csv")
    recipe.TABLE.write_text(TABLE + "gone,*,music,CC0-1.0,\n")
    return tmp_path


def run(monkeypatch, *arguments) -> None:
    monkeypatch.setattr(sys, "argv", ["fetch_audio.py", *map(str, arguments)])
    recipe.main()


def test_full_band_clips_are_taken_once_with_their_licence(network, monkeypatch, capsys):
    out = network / "out"
    run(monkeypatch, "--out", out)
    with (out / "manifest.csv").open(newline="") as file:
        rows = {row["path"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"usr/music/bright tune.wav", "usr/voice/tape.flac", "usr/data.pk3/sound/inner.wav"}
    assert {row["kind"] for row in rows.values()} == {"music", "speech"}
    voice = rows["usr/voice/tape.flac"]
    assert (voice["licence"], voice["version"], voice["rate"]) == ("CC-BY-4.0", "1.2-3", "48000")
    for row, ends_hz in zip(rows.values(), (18_000, 24_000, 15_200), strict=True):
        assert abs(float(row["bandwidth_hz"]) - ends_hz) <= 250
        info = soundfile.info(out / row["file"])
        assert (info.format, info.subtype, info.samplerate, info.frames) == ("FLAC", "PCM_16", 48_000, 96_000)
    output = capsys.readouterr()
    assert "game: 3 clips, 0.1 minutes" in output.out
    assert "broken.ogg is left out" in output.err
    assert "gone is left out" in output.err
    assert sorted(path.name for path in out.iterdir()) == ["game", "manifest.csv"]


def test_a_package_that_is_there_is_not_fetched_again(network, monkeypatch, capsys):
    run(monkeypatch, "--out", network / "out", "--packages", "game")
    before = (network / "out" / "manifest.csv").read_bytes()
    (network / "apt-get").write_text("#!/bin/sh\nexit 1\n")
    capsys.readouterr()
    run(monkeypatch, "--out", network / "out", "--packages", "game")
    assert capsys.readouterr().err == ""
    assert (network / "out" / "manifest.csv").read_bytes() == before


def test_nothing_is_fetched_beyond_the_size_given(network, monkeypatch):
    run(monkeypatch, "--out", network / "out", "--packages", "game")
    with pytest.raises(SystemExit, match="raise --gib"):
        run(monkeypatch, "--out", network / "out", "--gib", "0")


def test_a_package_that_is_not_in_the_table_is_refused(network, monkeypatch):
    with pytest.raises(SystemExit, match="'nonesuch' is not in"):
        run(monkeypatch, "--out", network / "out", "--packages", "nonesuch")


def test_long_recordings_give_excerpts_spread_over_them():
    assert recipe.excerpts(0.9) == []
    assert recipe.excerpts(179) == [(0, 179)]
    assert recipe.excerpts(330) == [(start, 30) for start in (0, 60, 120, 180, 240, 300)]


def test_the_table_is_complete_and_has_no_package_that_is_reserved_for_evaluation():
    table = recipe.read_table()
    lines = [line for lines in table.values() for line in lines]
    assert all(line["paths"] and line["kind"] and line["licence"] and line["what"] for line in lines)
    reserved = (
        "naev-data unknown-horizons supertuxkart-data fretsonfire-songs-sectoid csoundqt-examples grandorgue-demo"
    )
    reserved += " alsa-utils klettres-data ktuberling-data tuxpaint-stamps-default endless-sky-data pokerth-data"
    reserved += " teeworlds-data lomiri-sounds sound-theme-freedesktop tuxpaint-data gcin-voice minuet-data"
    assert not table.keys() & set(reserved.split())
    assert not any(name.startswith("wesnoth") for name in table)
