"""The user's configuration file: where it is, what it may hold, and that it is written completely or not at all."""

import re
from pathlib import Path

import pytest
from conftest import Upscaler

from upscaler_core import OutputError, UsageError
from upscaler_core.plugins.user_config import Config, config_file, disable_plugins, read_config

VARIABLES = ("UPSCALER_CONFIG", "APPDATA", "XDG_CONFIG_HOME")


@pytest.mark.parametrize(
    ("environment", "path"),
    [
        ({}, "{home}/.config/ai-audio-upscaler/config.toml"),
        ({"XDG_CONFIG_HOME": "/xdg"}, "/xdg/ai-audio-upscaler/config.toml"),
        ({"XDG_CONFIG_HOME": "/xdg", "APPDATA": "/windows"}, "/windows/ai-audio-upscaler/config.toml"),
        ({"XDG_CONFIG_HOME": "/xdg", "UPSCALER_CONFIG": "/own/file"}, "/own/file"),
    ],
)
def test_where_it_is(monkeypatch, environment, path):
    for name in VARIABLES:
        monkeypatch.setenv(name, environment.get(name, ""))
    assert config_file() == Path(path.format(home=Path.home()))


def test_names_of_any_sort_come_back_as_they_were(tmp_path, monkeypatch):
    monkeypatch.setenv("UPSCALER_CONFIG", str(tmp_path / "new" / "c.toml"))
    assert read_config() == Config()
    names = ["plain", 'quo"te', "back\\slash", "日本", "😀"]
    assert disable_plugins(names) == config_file()
    assert read_config().disabled_plugins == names
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["c.toml"]


def test_a_folder_is_no_file(tmp_path, monkeypatch):
    monkeypatch.setenv("UPSCALER_CONFIG", str(tmp_path))
    with pytest.raises(UsageError, match="Is a directory"):
        read_config()


def test_what_cannot_be_written_leaves_the_former_file(tmp_path, monkeypatch):
    monkeypatch.setenv("UPSCALER_CONFIG", str(tmp_path / "c.toml"))
    disable_plugins(["soxr"])

    def fails(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(OutputError, match=r"c\.toml cannot be written: No space left on device"):
        disable_plugins([])
    assert read_config().disabled_plugins == ["soxr"]
    assert [path.name for path in tmp_path.iterdir()] == ["c.toml"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"disabled_plugins: soxr", "is not valid TOML: .*line 1"),
        (b"disabled_plugin = []", "disabled_plugin: unknown key; did you mean 'disabled_plugins'?"),
        (b"disabled_plugins = 'soxr'", "disabled_plugins: must be a valid list"),
        (b"\xff", "cannot be read"),
    ],
)
def test_a_wrong_file_is_told_in_a_sentence_with_its_path(tmp_path, text, message):
    file = tmp_path / "c.toml"
    file.write_bytes(text)
    done = Upscaler(tmp_path, UPSCALER_CONFIG=str(file))("plugins")
    assert done.returncode == 2
    assert re.fullmatch(f"upscaler: {re.escape(str(file))}:? .*{message}.*\n", done.stderr), done.stderr
