"""Searches whose trainings take no time: a plugin that computes scores by a formula replaces `upscaler train`.

It reads recipes and writes logs as `upscaler train` does. One test runs real trainings.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Upscaler

PLUGIN = """
from typing import Literal
from upscaler_core import Component, ModelOptions, Options, hookimpl, option

class NetOptions(ModelOptions):
    base_channels: Literal[16, 32, 64] = option(32, help="width")
    num_layers: int = option(4, ge=3, le=5, help="depth")
    slope: float = option(0.5, gt=0, le=1, help="of its activation")
    residual: bool = option(True, help="adds its input")

@hookimpl
def upscaler_models():
    return [Component("net", "formula:Net", NetOptions, "no network")]

@hookimpl
def upscaler_metrics():
    return [Component("distance", "formula:Distance", Options, "a formula")]

@hookimpl
def upscaler_commands():
    return [Component("train", "formula:Train", Options, "trains by a formula")]
"""

FORMULA = """
import json, math, os, sys, time
from pathlib import Path
from typing import Annotated, Any
from upscaler_core import Kind, Options, UpscalerError, discover, option
from upscaler_core.pipeline import ComponentRef, Spec, load_form

class Data(Options):
    train: list[str] = option(help="recordings", min_length=1)
    validation: list[str] = option([], help="recordings")

class Optimizer(Options):
    learning_rate: float = option(1e-4, gt=0, le=1, help="step size")

class Scoring(Options):
    every: int = option(1, ge=1, help="epochs")

class Recipe(Spec):
    data: Data = option(help="recordings")
    models: Annotated[dict[str, ComponentRef], Kind.MODEL] = option(help="models", min_length=1)
    optimizer: Optimizer = option(Optimizer(), help="numbers")
    batch: int = option(8, ge=1, le=4096, help="excerpts")
    epochs: int = option(3, ge=1, help="epochs")
    scoring: Scoring = option(Scoring(), help="scoring")
    metric: Annotated[ComponentRef, Kind.METRIC] = option(ComponentRef(use="distance"), help="metric")
    seconds: float = option(0.0, ge=0, help="that an epoch takes")
    fails: bool = option(False, help="the training cannot be done")
    search: dict[str, Any] = option({}, help="search")

class Distance:
    unit, higher_is_better = "", False

    def __init__(self, options):
        pass

class Net:
    pass

class Train:
    form = Recipe

    def __call__(self, words):
        path, folder = Path(words[0]), Path(words[words.index("--out") + 1])
        recipe = load_form(path, Recipe, discover())
        if recipe.fails:
            print("upscaler: it cannot be trained", file=sys.stderr)
            return 2
        assert "--resume" in words and Path(recipe.data.train[0]).is_file()
        log = folder / "log.jsonl"
        done = len(log.read_text().splitlines()) if log.exists() else 0
        far = abs(math.log10(recipe.optimizer.learning_rate) + 3.5) + recipe.batch / 100
        far += recipe.models["net"].options.base_channels / 1000
        with log.open("a", buffering=1) as file:
            for epoch in range(done, recipe.epochs + 1):
                time.sleep(recipe.seconds)
                scores = {"4000": far + 1 / (epoch + 1), "8000": far + 3 / (epoch + 1)}
                entry = {"kind": "score", "step": epoch * 10, "name": f"epoch {epoch}", "trained": True, "scores": scores}
                entry["process"] = os.getpid()
                file.write(json.dumps(entry) + chr(10))
        return 0

    def __init__(self, options):
        pass
"""

RECIPE: dict[str, Any] = {
    "version": 1,
    "data": {"train": ["train.wav"], "validation": ["validation.wav"]},
    "models": {"net": {"use": "net"}},
}


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages with the replacement."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "formula_plugin.py").write_text(PLUGIN)
    (folder / "formula.py").write_text(FORMULA)
    info = folder / "formula-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: formula\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[upscaler.plugins]\nformula = formula_plugin\n")
    (folder / "config.toml").write_text('disabled_plugins = ["train"]\n')
    return folder


class Tuning:
    """`upscaler tune` on a recipe in a folder."""

    def __init__(self, folder: Path, site: Path) -> None:
        paths = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
        self.upscaler = Upscaler(folder, PYTHONPATH=paths, UPSCALER_CONFIG=str(site / "config.toml"))
        self.folder = folder
        for name in ("train.wav", "validation.wav"):
            (folder / name).touch()
        self.started: list[subprocess.Popen[str]] = []
        self.write()

    def write(self, **changes: Any) -> None:
        (self.folder / "recipe.yaml").write_text(yaml.safe_dump({**RECIPE, **changes}))

    def __call__(self, *words: object) -> subprocess.CompletedProcess[str]:
        return self.upscaler("tune", "recipe.yaml", *words)

    def start(self, *words: object) -> subprocess.Popen[str]:
        self.started.append(self.upscaler.start("tune", "recipe.yaml", *words))
        return self.started[-1]

    def result(self, *words: object) -> dict[str, Any]:
        """The output of a successful search with `--json`."""
        done = self(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def scorings(self, out: str = "studies/recipe") -> dict[str, list[dict[str, Any]]]:
        """The logs of all trainings, by the names of their folders."""
        logs = sorted((self.folder / out / "trials").glob("*/log.jsonl"))
        return {
            log.parent.name: [json.loads(line) for line in log.read_text().splitlines(True) if line.endswith("\n")]
            for log in logs
        }

    def wait_for(self, happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
        while not happened():
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)


@pytest.fixture
def tuning(tmp_path: Path, site: Path) -> Iterator[Tuning]:
    tuning = Tuning(tmp_path, site)
    yield tuning
    for process in tuning.started:
        process.kill()
        process.communicate()


def postgres_programs() -> Path | None:
    """The folder of PostgreSQL's server. On Debian, it is not on PATH, and there is one folder for each version."""
    matches = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    program = str(matches[-1]) if matches else shutil.which("initdb")
    return Path(program).parent if program else None


@pytest.fixture
def database() -> Iterator[str]:
    """The URL of an empty database on a separate PostgreSQL server, which does not run as root."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    user: dict[str, Any] = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
    if user:
        shutil.chown(folder, user["user"], user["group"])
    cluster = ["-D", folder / "data"]
    subprocess.run([programs / "initdb", *cluster, "-U", "tuner", "-A", "trust", "--no-sync"], check=True, **user)
    settings = ["-c", "listen_addresses=", "-c", "fsync=off", "-k", folder]
    server = subprocess.Popen([programs / "postgres", *cluster, *settings], cwd=folder, **user)
    while subprocess.run([programs / "pg_isready", "-q", "-h", folder, "-U", "tuner"]).returncode:
        assert server.poll() is None
        time.sleep(0.05)
    yield f"postgresql+psycopg://tuner@/postgres?host={folder}"
    server.send_signal(signal.SIGQUIT)  # it ends at once
    server.wait()
    shutil.rmtree(folder)
