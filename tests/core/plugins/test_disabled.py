"""Plugins that the user turned off."""

import json

import pytest
from conftest import Upscaler, install

from upscaler_core.plugins.user_config import disable_plugins, read_config

PLUGIN = """
from pathlib import Path
from upscaler_core import Component, hookimpl
Path(__file__).with_name("imported").touch()

@hookimpl
def upscaler_resamplers():
    return [Component("nearest", "upscaler_core.testing.fakes:Nearest")]

@hookimpl
def upscaler_commands():
    return [Component("hello", "upscaler_hello:Hello")]
"""


@pytest.fixture
def upscaler(tmp_path):
    install(tmp_path, "hello", PLUGIN)
    return Upscaler(tmp_path, PYTHONPATH=str(tmp_path), UPSCALER_CONFIG="", APPDATA="", XDG_CONFIG_HOME=str(tmp_path))


def components(upscaler):
    rows = json.loads(upscaler("plugins", "--json").stdout)["components"]
    return {row["name"]: row["state"] for row in rows}


@pytest.mark.slow
def test_a_plugin_is_turned_off_and_on(upscaler):
    done = upscaler("plugins", "--disable", "hello", "--disable", "soxr")
    file = upscaler.folder / "ai-audio-upscaler" / "config.toml"
    assert done.stdout == f"disabled plugins: hello, soxr (written to {file})\n"
    assert 'disabled_plugins = ["hello", "soxr"]' in file.read_text()
    assert [path.name for path in file.parent.iterdir()] == ["config.toml"]

    (upscaler.folder / "imported").unlink()
    states = components(upscaler)
    assert (states["hello"], states["soxr"], states["poly-sinc-hq"]) == ("disabled", "disabled", "ok")
    assert "nearest" not in states
    assert "disabled: `upscaler plugins --enable hello` turns it on" in upscaler("plugins").stdout
    assert "plugin 'hello' is disabled" in upscaler("doctor").stdout
    assert not (upscaler.folder / "imported").exists()

    assert upscaler("plugins", "--enable", "hello").returncode == 0
    states = components(upscaler)
    assert (states["nearest"], states["soxr"]) == ("ok", "disabled")


def test_a_component_of_a_disabled_plugin_is_refused_with_the_remedy(upscaler):
    upscaler("plugins", "--disable", "hello")
    (upscaler.folder / "p.yaml").write_text("version: 1\nresampler: {use: nearest}\n")
    remedy = "the plugin 'hello' is disabled: `upscaler plugins --enable hello` turns it on"
    for code, *words in [(3, "check", "p.yaml"), (2, "plugins", "show", "nearest"), (2, "hello", "world")]:
        done = upscaler(*words)
        assert (done.returncode, done.stdout) == (code, "")
        assert len(done.stderr.splitlines()) == 1 and remedy in done.stderr, done.stderr
    upscaler("plugins", "--enable", "hello")
    assert upscaler("check", "p.yaml").stdout == "p.yaml: ok\n"


def test_a_plugin_that_is_not_there_cannot_be_turned_off(upscaler):
    done = upscaler("plugins", "--disable", "helo")
    assert (done.returncode, done.stderr) == (2, "upscaler: there is no plugin 'helo'; did you mean 'hello'?\n")
    assert not (upscaler.folder / "ai-audio-upscaler").exists()


def test_one_that_was_uninstalled_can_be_turned_on_again(upscaler, monkeypatch):
    monkeypatch.setenv("UPSCALER_CONFIG", str(upscaler.folder / "ai-audio-upscaler" / "config.toml"))
    disable_plugins(["gone"])
    assert upscaler("plugins", "--enable", "gone").returncode == 0
    assert read_config().disabled_plugins == []
