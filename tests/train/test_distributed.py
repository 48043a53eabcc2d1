"""`upscaler train` in two processes, as torchrun and `accelerate launch` start it: what one process would have learned."""

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

from upscaler_train.state import load_state

TORCHRUN = ["torchrun", "--standalone", "--nproc-per-node=2", "--log-dir=said", "--redirects=3"]
ACCELERATE = ["accelerate", "launch", "--config_file=accelerate.yaml"]
SPLITS_ON_PROCESSORS = """
from accelerate import DistributedType
from accelerate.state import AcceleratorState

begin = AcceleratorState.__init__

def begin_split(self, *words, fsdp_plugin=None, **named):
    begin(self, *words, fsdp_plugin=fsdp_plugin, **named)
    if fsdp_plugin:  # accelerate leaves it aside where there is no GPU
        self.distributed_type, self.fsdp_plugin = DistributedType.FSDP, fsdp_plugin

AcceleratorState.__init__ = begin_split
"""
ADVERSARY = {"use": "adversarial", "channels": 4, "fft_sizes": [128], "weight": 0.1}


class Together:
    """A recipe that is trained by this process alone, called, or by two, launched; each notes its excerpts."""

    def __init__(self, training) -> None:
        self.training, self.folder = training, training.folder
        self.notes = self.folder / "notes"
        self.notes.mkdir()
        self.started: list[subprocess.Popen[str]] = []

    def split(self):
        """The environment of processes that split weights by FSDP, though they have no GPU."""
        folder = self.folder / "split"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(SPLITS_ON_PROCESSORS)
        paths = self.training.upscaler.settings()["env"]["PYTHONPATH"]
        return {"PYTHONPATH": os.pathsep.join([str(folder), paths])}

    def configure(self, engine, **changes):
        """Write the configuration of accelerate that the page shows for an engine."""
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

    def said(self, rank):
        (path,) = (self.folder / "said").glob(f"*/attempt_0/{rank}/stderr.log")
        return path.read_text()

    def same(self, one, other):
        """Whether two runs went alike, but for the last bits of sums in another order and what Adam makes of them."""
        logs = [self.training.log(out) for out in (one, other)]
        first = [next(entry["gradient"] for entry in log if "gradient" in entry) for log in logs]
        assert first[0] == pytest.approx(first[1], rel=1e-5)
        for a, b in zip(*logs, strict=True):
            for numbers in {"losses", "critics", "scores"} & a.keys():
                assert a[numbers] == pytest.approx(b[numbers], rel=1e-4)
        weights = [load_file(self.folder / out / "last" / "small.safetensors") for out in (one, other)]
        torch.testing.assert_close(*weights, rtol=0, atol=2e-4)  # a fifth of what one step moves a weight


@pytest.fixture
def together(training):
    together = Together(training)
    yield together
    for process in together.started:
        if process.poll() is None:
            process.terminate()
            process.communicate()


def steady(recipe):
    """Nothing that is drawn for each part of a step anew."""
    recipe.update(batch=8, excerpts=20, epochs=3)
    recipe["models"]["small"]["dropout"] = 0.0
    recipe["losses"].append(ADVERSARY)


def test_two_processes_learn_what_one_would_from_the_same_excerpts(together, training):
    training.write(steady)
    process = together.launch(TORCHRUN, "--set", "accumulate=2")
    said = process.communicate()[1]
    assert process.returncode == 0, said
    assert training("--device", "cpu", out="one").returncode == 0
    together.same("one", "two")
    assert [together.excerpts(rank) for rank in (0, 1)] == [
        [[n, n + 1] for step in range(0, 48, 8) for n in (step + share, step + share + 2)] for share in (0, 4)
    ]
    assert len(list((together.folder / "two" / "tensorboard").iterdir())) == 1
    assert together.said(1) == ""


def test_a_step_in_parts_is_the_step(together, training):
    training.write(steady)
    assert training("--device", "cpu", out="one").returncode == 0
    assert training("--device", "cpu", "--set", "accumulate=4", out="parts").returncode == 0
    together.same("one", "parts")


def test_parts_are_equal(training):
    done = training("--device", "cpu", "--set", "batch=4", "--set", "accumulate=3")
    assert done.returncode == 2
    assert "cannot be shared evenly, processes × accumulate being 1 × 3: write a multiple of 3" in done.stderr


def test_weights_split_by_fsdp_learn_what_whole_ones_would(together, training):
    training.write(lambda recipe: (steady(recipe), recipe["losses"].pop()))
    together.configure("FSDP", Block="Conv1d")
    split = together.split()
    process = together.launch(ACCELERATE, "--set", "accumulate=2", "--epochs", "2", env=split)
    said = process.communicate()[1]
    assert process.returncode == 0, said
    assert training("--device", "cpu", "--epochs", "2", out="one").returncode == 0
    together.same("one", "two")
    shutil.copytree(together.folder / "two", together.folder / "whole")
    resumed = together.launch(ACCELERATE, "--set", "accumulate=2", "--resume", env=split)
    said = resumed.communicate()[1]
    assert resumed.returncode == 0, said
    for out in ("one", "whole"):
        assert training("--device", "cpu", "--resume", out=out).returncode == 0
        together.same(out, "two")


def test_adversaries_are_refused_where_weights_are_split(together, training):
    training.write(steady)
    together.configure("FSDP", Block="Conv1d")
    process = together.launch(ACCELERATE, env=together.split())
    said = process.communicate()[1]
    assert "adversarial is not supported with FSDP: leave it out, or use MULTI_GPU" in said


def test_layers_that_the_models_do_not_have_are_said(together, training):
    training.write(lambda recipe: (steady(recipe), recipe["losses"].pop()))
    together.configure("FSDP")
    process = together.launch(ACCELERATE, env=together.split())
    said = process.communicate()[1]
    assert "does not fit the models: Could not find the transformer layer class Block in the model." in said


@pytest.mark.parametrize(
    ("engine", "sentence"),
    [
        (DistributedType.DEEPSPEED, "DEEPSPEED is not supported: use MULTI_GPU, or FSDP with fsdp_version: 2"),
        (DistributedType.FSDP, "FSDP is supported in its second version: write fsdp_version: 2 under fsdp_config"),
    ],
)
def test_engines_that_are_not_known_are_refused(training, monkeypatch, engine, sentence):
    monkeypatch.setattr(Accelerator, "distributed_type", engine)
    done = training("--device", "cpu")
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_an_interruption_of_any_process_is_that_of_all(together, training):
    training.write(lambda recipe: recipe.update(batch=4, excerpts=4_000))
    together.signal_second(together.launch(TORCHRUN), signal.SIGINT)
    assert together.said(0).splitlines()[-1] == "interrupted, and saved: go on with --resume, into two"
    assert together.said(1) == ""
    _, facts = load_state(together.folder / "two" / "state.safetensors")
    assert facts["progress"]["step"] == len(training.steps("two"))


def test_a_killed_process_stops_the_run_which_any_number_of_processes_goes_on_with(together, training):
    training.write(lambda recipe: recipe.update(batch=4, excerpts=60, save_minutes=0))
    together.signal_second(together.launch(TORCHRUN), signal.SIGKILL)
    assert 5 <= len(training.steps("two")) < 30
    *before, last = together.said(0).splitlines()
    assert last == "upscaler: another process of this run ended, or cannot be reached: go on with --resume, into two"
    assert all(line.startswith(("two ·", "input:", "tilted-noise:", "start:", "epoch ")) for line in before)
    shutil.copytree(together.folder / "two", together.folder / "alone")
    together.configure("MULTI_GPU")
    resumed = together.launch(ACCELERATE, "--resume")
    said = resumed.communicate()[1]
    assert resumed.returncode == 0, said
    assert "goes on at step" in said
    alone = ("--device", "cpu", "--set", "accumulate=2")
    assert training(*alone, "--resume", out="alone").returncode == 0
    assert training(*alone, out="one").returncode == 0
    assert training.log("one") == training.log("two") == training.log("alone")
    assert len(training.steps("one")) == 30
