"""`upscaler models` as a user runs it."""

import json
import os
import re
import subprocess
import sys
import zipfile
from importlib.metadata import entry_points
from types import SimpleNamespace
from typing import ClassVar

import pytest
import soundfile
import torch
import yaml
from safetensors.torch import save_file

from upscaler_core import Component, ModelOptions, Registry, discover, hookimpl
from upscaler_core.cli import models
from upscaler_core.cli.application import build_app
from upscaler_core.models import Card, read_card, write_checkpoint

pytestmark = pytest.mark.slow  # every test starts the command line, most of them several times

SMALL = {"base_channels": 16, "num_layers": 3}


@pytest.fixture(scope="module")
def states():
    up = discover()
    wave = up.model("waveform-unet", checkpoint="none", **SMALL)
    return wave.state_dict(), up.model("spectral-unet", checkpoint="none", **SMALL).state_dict()


@pytest.fixture
def upscaler(tmp_path, monkeypatch, capsys):
    """The command line in this process, in a folder of its own."""
    monkeypatch.setenv("UPSCALER_MODELS", str(tmp_path / "models"))
    monkeypatch.chdir(tmp_path)

    def run(*words):
        with pytest.raises(SystemExit) as end:
            build_app(discover())([str(word) for word in words])
        output = capsys.readouterr()
        return SimpleNamespace(returncode=end.value.code, stdout=output.out, stderr=output.err)

    run.folder = tmp_path
    return run


def refused(done, *words):
    """One sentence, exit 4, and nothing imported."""
    assert done.returncode == 4, done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr
    return True


def test_the_white_paper_s_checkpoint_becomes_two_that_work(upscaler, states, audio):
    folder = upscaler.folder
    torch.save(
        {"state_dict": states[0], "spectral_state_dict": states[1], "base_channels": 16, "epoch": 7},
        folder / "best_model.ckpt",
    )
    done = upscaler("models", "import", "best_model.ckpt", "--name", "mine")
    assert done.returncode == 0, done.stderr
    listed = json.loads(upscaler("models", "list", "--json").stdout)["models"]
    assert [(row["name"], row["component"]) for row in listed if row["where"] == "local"] == [
        ("mine-spec", "spectral-unet"),
        ("mine-wave", "waveform-unet"),
    ]
    assert {row["name"] for row in listed if row["where"] == "bundled"} >= {"spectral-unet", "waveform-unet"}
    assert read_card(folder / "models" / "mine-wave.safetensors").options == {"rate": 48_000, "without": [], **SMALL}
    plain = upscaler("models").stdout
    assert plain == upscaler("models", "list").stdout
    assert re.search(r"mine-wave +waveform-unet +local ", plain)
    assert upscaler("models", "verify").returncode == 0
    shown = upscaler("models", "show", "mine-wave").stdout
    assert yaml.safe_load(shown.split("\n", 1)[1])["summary"] == "imported from best_model.ckpt"
    pipeline = {
        "version": 1,
        "cutoff_hz": 8_000,
        "models": {
            "wave": {"use": "waveform-unet", "checkpoint": "mine-wave"},
            "spec": {"use": "spectral-unet", "checkpoint": "mine-spec"},
        },
        "fusion": {"use": "magnitude-phase"},
    }
    (folder / "p.yaml").write_text(yaml.safe_dump(pipeline))
    samples, rate = soundfile.read(audio / "speech_kerstin_de_cc0_48k.flac", frames=96_000)
    soundfile.write("in.flac", samples, rate)
    done = upscaler("run", "p.yaml", "in.flac", "-o", "out.flac")
    assert done.returncode == 0, done.stderr
    assert (folder / "out.flac").stat().st_size > 100_000


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("form", ["pt", "safetensors"])
def test_plain_weights_with_as(upscaler, states, prefix, form):
    weights = {prefix + name: tensor for name, tensor in states[1].items()}
    path = upscaler.folder / f"net.{form}"
    save_file(weights, path) if form == "safetensors" else torch.save(weights, path)
    done = upscaler("models", "import", path, "--as", "spectral-unet")
    assert done.returncode == 0, done.stderr
    assert upscaler("models", "verify", "net").stdout.endswith("net.safetensors: ok\n")
    assert upscaler("models", "import", path, "--as", "spectral-unet").returncode == 2  # it is there already
    refused(upscaler("models", "import", path, "--name", "other"), "--as COMPONENT")


class GainOptions(ModelOptions):
    foreign_parts: ClassVar = {"state_dict": "-no", "generator": "-gain"}


class Gain(torch.nn.Linear):
    rate, length_multiple, receptive_field = 48_000, 1, 0

    def __init__(self, options):
        super().__init__(1, 1)


class Mine:
    @hookimpl
    def upscaler_models(self):
        return [Component("gain", f"{__name__}:Gain", GainOptions)]


@pytest.mark.parametrize("names", [["x-gain"], ["x-gain", "x-wave"]])
def test_a_third_party_s_model_takes_the_part_that_it_names(upscaler, states, monkeypatch, names):
    """A part that a built-in names too is the built-in's."""
    points = entry_points(group="upscaler.plugins", name="unets") if "x-wave" in names else ()
    monkeypatch.setattr(models, "discover", lambda: Registry(points, {"mine": Mine()}))
    weights = states[0] if "x-wave" in names else Gain(None).state_dict()
    torch.save({"state_dict": weights, "generator": Gain(None).state_dict()}, upscaler.folder / "x.ckpt")
    done = upscaler("models", "import", "x.ckpt")
    assert done.returncode == 0, done.stderr
    listed = json.loads(upscaler("models", "list", "--json").stdout)["models"]
    local = {row["name"] for row in listed if row["where"] == "local"}
    assert local == set(names) | ({"x-no"} if "x-wave" not in names else set())


def test_where_no_model_takes_the_weights_it_is_told(upscaler, states, monkeypatch):
    monkeypatch.setattr(models, "discover", lambda: Registry((), disabled=["unets"]))
    torch.save({"state_dict": states[0]}, upscaler.folder / "x.ckpt")
    refused(upscaler("models", "import", "x.ckpt"), "no model says that it takes", "--as COMPONENT")


class Evil:
    def __reduce__(self):
        return os.system, ("touch owned",)


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_that_runs_code_is_refused(upscaler, protocol):
    torch.save({"state_dict": Evil()}, upscaler.folder / "evil.ckpt", pickle_protocol=protocol)
    assert refused(upscaler("models", "import", "evil.ckpt"), "could run code: refused")
    assert not (upscaler.folder / "owned").exists()
    torch.load("evil.ckpt", weights_only=False)  # it is a real one
    assert (upscaler.folder / "owned").exists()


def broken_files(wave):
    nan = {**wave, "front.bias": torch.full_like(wave["front.bias"], torch.nan)}
    part = {name: tensor for name, tensor in wave.items() if not name.startswith("head")}
    return {
        "nan": ({"state_dict": nan}, ["NaN or infinity in front.bias"]),
        "lacking": ({"state_dict": part}, ["does not fit waveform-unet", "lacks head.bias"]),
        "foreign": ({"state_dict": {"layer.weight": torch.zeros(3)}}, ["does not fit waveform-unet"]),
        "more": ({"state_dict": {"epoch": 3}}, ["more than tensors"]),
        "wide": (
            {"state_dict": {"unet.levels.0.encode.0.value.weight": torch.zeros(48, 48, 1, 1)}},
            ["16, 32 or 64, not 48"],
        ),
        "empty": ({"epoch": 3}, ["--as COMPONENT"]),
        "list": ([1, 2], ["holds a list"]),
    }


@pytest.mark.parametrize("case", ["nan", "lacking", "foreign", "more", "wide", "empty", "list"])
def test_what_cannot_be_used_is_told(upscaler, states, case):
    content, words = broken_files(states[0])[case]
    torch.save(content, upscaler.folder / "x.ckpt")
    assert refused(upscaler("models", "import", "x.ckpt"), "x.ckpt", *words)
    assert not (upscaler.folder / "models").exists()


@pytest.mark.parametrize("garbage", [b"", b"hello, world", bytes(range(256)) * 40])
def test_garbage_and_truncation_are_told(upscaler, states, garbage):
    torch.save({"state_dict": states[0]}, upscaler.folder / "intact.ckpt")
    data = (upscaler.folder / "intact.ckpt").read_bytes()
    for content in (garbage, data[: len(data) // 2] + garbage):
        (upscaler.folder / "x.ckpt").write_bytes(content)
        assert refused(upscaler("models", "import", "x.ckpt"), "x.ckpt is damaged")


def test_options_that_contradict_the_weights_are_told(upscaler, states):
    torch.save({"state_dict": states[0]}, upscaler.folder / "x.ckpt")
    assert refused(upscaler("models", "import", "x.ckpt", "--set", "base_channels=32"), "not [32")
    done = upscaler("models", "import", "x.ckpt", "--set", "depth=3")
    assert done.returncode == 2
    assert "depth" in done.stderr


def test_verify_names_what_is_broken(upscaler, states):
    good = upscaler.folder / "models" / "good.safetensors"
    good.parent.mkdir()
    options = {"rate": 48_000, **SMALL}
    write_checkpoint(good, states[0], Card(component="waveform-unet", options=options, rate=48_000))
    for name, change in (("cut", lambda d: d[:-100]), ("flipped", lambda d: d[:-1] + bytes([d[-1] ^ 1]))):
        (good.parent / f"{name}.safetensors").write_bytes(change(good.read_bytes()))
    write_checkpoint(good.parent / "alien.safetensors", {}, Card(component="mars", rate=48_000))
    write_checkpoint(good.parent / "wide.safetensors", states[0], Card(component="waveform-unet", rate=48_000))
    done = upscaler("models", "verify")
    assert done.returncode == 4
    assert "good.safetensors: ok" in done.stdout
    for words in (
        "cut.safetensors is damaged",
        "hash does not match",
        "no model 'mars'",
        "wide.safetensors does not fit",
    ):
        assert words in done.stderr
    refused(upscaler("models", "verify", "godo"), "did you mean 'good'?")
    refused(upscaler("models", "show", "nowhere/x.safetensors"), "cannot be read")


def test_listing_imports_no_torch(upscaler, states):
    write_checkpoint(
        upscaler.folder / "models" / "x.safetensors", states[0], Card(component="waveform-unet", rate=48_000)
    )
    lines = (
        "import atexit, sys",
        "from upscaler_core.cli import main",
        "atexit.register(lambda: print('torch' in sys.modules))",
        "main(['models'])",
    )
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_a_compressed_file_is_not_unpacked(upscaler, states):
    with zipfile.ZipFile(upscaler.folder / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("archive/data.pkl", bytes(1 << 20))
    done = upscaler("models", "import", "bomb.pt")
    assert done.returncode == 4
    assert "compressed parts" in done.stderr
