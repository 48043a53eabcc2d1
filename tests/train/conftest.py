"""A small model that learns quickly, installed beside the built-ins like a third party's; recordings; runs of `train`."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from conftest import AUDIO, Upscaler

from upscaler_core import Kind, discover
from upscaler_train.data.recordings import Recording, RecordingCache

PLUGIN = """
from upscaler_core import Component, ModelOptions, hookimpl, option

class TraineeOptions(ModelOptions):
    channels: int = option(4, ge=1, le=64, help="of its only layer")
    breaks_at: int | None = option(None, ge=0, help="step from which on it returns NaN")
    dropout: float = option(0.1, ge=0, lt=1, help="share of the inner values that are dropped")

@hookimpl
def upscaler_models():
    return [Component("trainee", "trainee_model:Trainee", TraineeOptions, "two convolutions")]
"""

MODEL = """
import os
from pathlib import Path

import torch
from torch import nn
from upscaler_core import Estimate, load_checkpoint

class Trainee(nn.Module):
    rate, length_multiple, receptive_field = 48_000, 1, 64

    def __init__(self, options):
        super().__init__()
        self.options, checkpoint = load_checkpoint(options, "trainee", __name__)
        self.net = nn.Sequential(
            nn.Conv1d(1, self.options.channels, 33, padding=16), nn.GELU(), nn.Dropout(self.options.dropout),
            nn.Conv1d(self.options.channels, 1, 33, padding=16),
        )
        self.steps = 0
        if checkpoint:
            checkpoint.into(self)
        self.eval()

    def forward(self, baseline, conditions):
        if self.training:
            self.steps += 1
            if notes := os.environ.get("TRAINEE_NOTES"):
                with Path(notes, os.environ["RANK"]).open("a") as file:
                    print(os.getpid(), *conditions.start.tolist(), file=file)
        broken = self.options.breaks_at is not None and self.steps > self.options.breaks_at
        return Estimate(baseline + self.net(baseline) * (float("nan") if broken else 1.0))
"""


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages with the model."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "trainee_plugin.py").write_text(PLUGIN)
    (folder / "trainee_model.py").write_text(MODEL)
    info = folder / "trainee-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: trainee\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[upscaler.plugins]\ntrainee = trainee_plugin\n")
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder where all tests keep decoded audio."""
    return tmp_path_factory.mktemp("cache")


RATE = 48_000


@pytest.fixture
def recordings(cache: Path, audio: Path) -> list[Recording | None]:
    """A stereo recording at 48 kHz and one at 44.1 kHz, decoded at 48 kHz."""
    decoded = RecordingCache(cache, 2**30, RATE, discover().resampler("poly-sinc-hq"), discover())
    paths = [audio / "arovane_beat_d_cc0_lossless.flac", audio / "void_sensor_30s_streamcopy.ogg"]
    return list(decoded.recordings(paths, pytest.fail))


RECIPE: dict[str, Any] = {
    "version": 1,
    "data": {
        "train": [str(AUDIO / "arovane_beat_d_cc0_lossless.flac")],
        "validation": [str(AUDIO / "speech_kerstin_de_cc0_48k.flac")],
    },
    "seconds": 0.1,
    "excerpts": 8,
    "degradations": [{"use": "quantization", "probability": 0.5}],
    "models": {"small": {"use": "trainee"}},
    "losses": [{"use": "multi-resolution-stft", "weight": 0.7}, {"use": "l1", "weight": 0.3}],
    "optimizer": {"learning_rate": 1e-3},
    "batch": 2,
    "epochs": 2,
    "workers": 0,
    "precision": "float32",
    "scoring": {"cutoffs": [6000], "seconds": 0.5},
}


class Training:
    """`upscaler train` on a recipe in a folder: called in this process, or started in a process of its own."""

    def __init__(self, folder: Path, site: Path, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        paths = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
        self.upscaler = Upscaler(folder, PYTHONPATH=paths, OMP_NUM_THREADS="1")
        self.folder, self.cache = folder, cache
        self.write()

    def write(self, change: Callable[[dict[str, Any]], None] = lambda recipe: None) -> None:
        recipe = json.loads(json.dumps(RECIPE))
        recipe["data"]["cache"] = str(self.cache)
        change(recipe)
        (self.folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))

    def __call__(self, *words: object, out: str = "run") -> subprocess.CompletedProcess[str]:
        command = discover().build(Kind.COMMAND, "train")
        arguments = [str(self.folder / "recipe.yaml"), "--out", str(self.folder / out), *map(str, words)]
        code = command(arguments)
        return subprocess.CompletedProcess(arguments, code, *self.capsys.readouterr())

    def start(self, *words: object, out: str = "run") -> Any:
        return self.upscaler.start("train", "recipe.yaml", "--out", out, *words)

    def log(self, out: str = "run") -> list[dict[str, Any]]:
        path = self.folder / out / "log.jsonl"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def steps(self, out: str = "run") -> list[dict[str, Any]]:
        return [entry for entry in self.log(out) if entry["kind"] == "step"]


@pytest.fixture
def training(
    tmp_path: Path,
    site: Path,
    cache: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Training]:
    monkeypatch.syspath_prepend(site)
    discover.cache_clear()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Training(tmp_path, site, cache, capsys)
    torch.set_num_threads(threads)
    discover.cache_clear()
