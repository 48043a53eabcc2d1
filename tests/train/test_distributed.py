"""`upscaler train` in two processes, as torchrun and `accelerate launch` start it: the same result as in one process."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator, DistributedType
from conftest import ROOT
from safetensors.torch import load_file

from upscaler_train.checkpoints import load_state

TORCHRUN = ["torchrun", "--standalone", "--nproc-per-node=2", "--log-dir=messages", "--redirects=3"]
ACCELERATE = ["accelerate", "launch", "--config_file=accelerate.yaml"]
SPLIT_WEIGHTS_ON_CPUS = """
from accelerate import DistributedType
from accelerate.state import AcceleratorState

initialize = AcceleratorState.__init__

def initialize_with_fsdp(self, *words, fsdp_plugin=None, **named):
    initialize(self, *words, fsdp_plugin=fsdp_plugin, **named)
    if fsdp_plugin:  # accelerate ignores FSDP where there is no GPU
        self.distributed_type, self.fsdp_plugin = DistributedType.FSDP, fsdp_plugin

AcceleratorState.__init__ = initialize_with_fsdp
"""
ADVERSARY = {"use": "adversarial", "channels": 4, "fft_sizes": [128], "weight": 0.1}


class ProcessPair:
    """A recipe that is trained by this process, or by two launched ones, each of which notes its excerpts."""

    def __init__(self, training) -> None:
        self.training, self.folder = training, training.folder
        self.notes = self.folder / "notes"
        self.notes.mkdir()
        self.started: list[subprocess.Popen[str]] = []

    def split(self):
        """The environment of processes that split weights by FSDP although they have no GPU."""
        folder = self.folder / "split"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(SPLIT_WEIGHTS_ON_CPUS)
        paths = self.training.upscaler.settings()["env"]["PYTHONPATH"]
        return {"PYTHONPATH": os.pathsep.join([str(folder), paths])}

    def configure(self, engine, **changes):
        """Write the configuration of accelerate that docs/training.md shows for an engine, with some changes."""
        page = (ROOT / "docs" / "training.md").read_text()
        (settings,) = re.findall(
            f"```yaml\n(compute_environment[^`]*distributed_type: {engine}\n.*?)```", page, re.DOTALL
        )
        for former, now in changes.items():
            settings = settings.replace(former, now)
        (self.folder / "accelerate.yaml").write_text(settings)

    def launch(self, launcher, *words, env=None):
        scripts = Path(sys.executable).parent
        settings = self.training.upscaler.settings()
        settings["env"] |= {"TRAINEE_NOTES": str(self.notes), **(env or {})}
        command = [scripts / launcher[0], *launcher[1:], scripts / "upscaler", "train", "recipe.yaml"]
        command += ["--device", "cpu", "--out", "two", *words]
        self.started.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **settings))
        return self.started[-1]

    def signal_second(self, process, number):
        """Send a signal to the second process after five steps, and wait for the end of both."""
        while len(self.training.steps("two")) < 5:
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        os.kill(int((self.notes / "1").read_text().split()[0]), number)
        process.communicate(timeout=60)
        assert process.returncode == 1

    def excerpts(self, rank):
        """The numbers of the excerpts of each forward pass of a process."""
        lines = [list(map(int, line.split())) for line in (self.notes / str(rank)).read_text().splitlines()]
        return [[start // 4_800 for start in starts] for _, *starts in lines]

    def messages(self, rank):
        (path,) = (self.folder / "messages").glob(f"*/attempt_0/{rank}/stderr.log")
        return path.read_text()

    def assert_same(self, one, other):
        """Compare two runs. They may differ by the last bits of sums in another order, and by what Adam makes of these."""
        logs = [self.training.log(out) for out in (one, other)]
        first = [next(entry["gradient"] for entry in log if "gradient" in entry) for log in logs]
        assert first[0] == pytest.approx(first[1], rel=1e-5)
        for a, b in zip(*logs, strict=True):
            for numbers in {"losses", "critics", "scores"} & a.keys():
                assert a[numbers] == pytest.approx(b[numbers], rel=1e-4)
        weights = [load_file(self.folder / out / "last" / "small.safetensors") for out in (one, other)]
        torch.testing.assert_close(*weights, rtol=0, atol=2e-4)  # a fifth of what one step moves a weight


@pytest.fixture
def pair(training):
    pair = ProcessPair(training)
    yield pair
    for process in pair.started:
        if process.poll() is None:
            process.terminate()
            process.communicate()


def deterministic(recipe):
    """Use nothing that is random in each part of a step."""
    recipe.update(batch=8, excerpts=20, epochs=3)
    recipe["models"]["small"]["dropout"] = 0.0
    recipe["losses"].append(ADVERSARY)


@pytest.mark.slow
def test_two_processes_train_as_one_would_on_the_same_excerpts(pair, training):
    training.write(deterministic)
    process = pair.launch(TORCHRUN, "--set", "accumulate=2")
    message = process.communicate()[1]
    assert process.returncode == 0, message
    assert training("--device", "cpu", out="one").returncode == 0
    pair.assert_same("one", "two")
    assert [pair.excerpts(rank) for rank in (0, 1)] == [
        [[n, n + 1] for step in range(0, 48, 8) for n in (step + share, step + share + 2)] for share in (0, 4)
    ]
    assert len(list((pair.folder / "two" / "tensorboard").iterdir())) == 1
    assert pair.messages(1) == ""


@pytest.mark.slow
def test_a_step_in_parts_is_the_step(pair, training):
    training.write(deterministic)
    assert training("--device", "cpu", out="one").returncode == 0
    assert training("--device", "cpu", "--set", "accumulate=4", out="parts").returncode == 0
    pair.assert_same("one", "parts")


def test_parts_are_equal(training):
    done = training("--device", "cpu", "--set", "batch=4", "--set", "accumulate=3")
    assert done.returncode == 2
    assert "cannot be shared evenly, processes × accumulate being 1 × 3: write a multiple of 3" in done.stderr


@pytest.mark.slow
def test_weights_split_by_fsdp_are_trained_as_full_ones_would_be(pair, training):
    training.write(lambda recipe: (deterministic(recipe), recipe["losses"].pop()))
    pair.configure("FSDP", Block="Conv1d")
    split = pair.split()
    process = pair.launch(ACCELERATE, "--set", "accumulate=2", "--epochs", "2", env=split)
    message = process.communicate()[1]
    assert process.returncode == 0, message
    assert training("--device", "cpu", "--epochs", "2", out="one").returncode == 0
    pair.assert_same("one", "two")
    shutil.copytree(pair.folder / "two", pair.folder / "full")
    resumed = pair.launch(ACCELERATE, "--set", "accumulate=2", "--resume", env=split)
    message = resumed.communicate()[1]
    assert resumed.returncode == 0, message
    for out in ("one", "full"):
        assert training("--device", "cpu", "--resume", out=out).returncode == 0
        pair.assert_same(out, "two")


@pytest.mark.slow
def test_adversaries_are_refused_where_weights_are_split(pair, training):
    training.write(deterministic)
    pair.configure("FSDP", Block="Conv1d")
    process = pair.launch(ACCELERATE, env=pair.split())
    message = process.communicate()[1]
    assert "adversarial is not supported with FSDP: leave it out, or use MULTI_GPU" in message


@pytest.mark.slow
def test_layers_that_the_models_do_not_have_are_reported(pair, training):
    training.write(lambda recipe: (deterministic(recipe), recipe["losses"].pop()))
    pair.configure("FSDP")
    process = pair.launch(ACCELERATE, env=pair.split())
    message = process.communicate()[1]
    assert "does not fit the models: Could not find the transformer layer class Block in the model." in message


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        (DistributedType.DEEPSPEED, "DEEPSPEED is not supported: use MULTI_GPU, or FSDP with fsdp_version: 2"),
        (DistributedType.FSDP, "FSDP is supported in its second version: write fsdp_version: 2 under fsdp_config"),
    ],
)
def test_engines_that_are_not_supported_are_refused(training, monkeypatch, engine, message):
    monkeypatch.setattr(Accelerator, "distributed_type", engine)
    done = training("--device", "cpu")
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_an_interruption_of_any_process_is_that_of_all(pair, training):
    training.write(lambda recipe: recipe.update(batch=4, excerpts=4_000))
    pair.signal_second(pair.launch(TORCHRUN), signal.SIGINT)
    assert pair.messages(0).splitlines()[-1] == "interrupted, and saved: go on with --resume, into two"
    assert pair.messages(1) == ""
    _, facts = load_state(pair.folder / "two" / "state.safetensors")
    assert facts["progress"]["step"] == len(training.steps("two"))


@pytest.mark.slow
def test_a_killed_process_stops_the_run_which_any_number_of_processes_goes_on_with(pair, training):
    training.write(lambda recipe: recipe.update(batch=4, excerpts=60, save_minutes=0))
    pair.signal_second(pair.launch(TORCHRUN), signal.SIGKILL)
    assert 5 <= len(training.steps("two")) < 30
    *before, last = pair.messages(0).splitlines()
    assert last == "upscaler: another process of this run ended, or cannot be reached: go on with --resume, into two"
    assert all(line.startswith(("two ·", "input:", "tilted-noise:", "start:", "epoch ")) for line in before)
    shutil.copytree(pair.folder / "two", pair.folder / "alone")
    pair.configure("MULTI_GPU")
    resumed = pair.launch(ACCELERATE, "--resume")
    message = resumed.communicate()[1]
    assert resumed.returncode == 0, message
    assert "goes on at step" in message
    alone = ("--device", "cpu", "--set", "accumulate=2")
    assert training(*alone, "--resume", out="alone").returncode == 0
    assert training(*alone, out="one").returncode == 0
    assert training.log("one") == training.log("two") == training.log("alone")
    assert len(training.steps("one")) == 30
