"""The training loop: its losses, its interruptions, and its ends."""

from __future__ import annotations

import os
import signal
import time

import pytest
import torch

from upscaler_core.models import read_card


def wait_for_step(training, process, step, out="run"):
    while len(training.steps(out)) < step:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)


def test_losses_fall(training):
    done = training("--epochs", "12", "--set", "optimizer.learning_rate=3e-3", "--set", "scoring.every=12")
    assert done.returncode == 0, done.stderr
    totals = [step["total"] for step in training.steps()]
    assert sum(totals[-16:]) < 0.95 * sum(totals[:16])


@pytest.mark.slow
def test_a_killed_run_goes_on_with_the_losses_of_an_unbroken_one(training):
    training.write(lambda recipe: recipe.update(save_minutes=0, excerpts=24))
    adversary = ("--set", "losses.1={use: adversarial, channels: 4, fft_sizes: [128], weight: 0.1}")
    unbroken, process = training.start(*adversary, out="unbroken"), training.start(*adversary)
    wait_for_step(training, process, 5)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert 5 <= len(training.steps()) < 24
    resumed = training.start(*adversary, "--resume")
    message = resumed.communicate()[1]
    assert resumed.returncode == 0, message
    assert "goes on at step" in message
    unbroken.communicate()
    assert training.log() == training.log("unbroken")
    assert training.steps()[0]["critics"]


@pytest.mark.slow
def test_workers_change_nothing(training):
    torch.set_num_threads(2)
    assert training("--epochs", "1").returncode == 0
    assert training("--epochs", "1", "--set", "workers=2", out="two").returncode == 0
    assert training.steps() == training.steps("two")


@pytest.mark.slow
def test_an_interrupted_run_saves_and_tells_how_to_go_on(training):
    training.write(lambda recipe: recipe.update(excerpts=4000, workers=1))
    process = training.start()
    wait_for_step(training, process, 2)
    process.send_signal(signal.SIGINT)
    message = process.communicate()[1]
    assert process.returncode == 130, message
    assert "go on with --resume" in message
    steps_done = len(training.steps())
    again = training.start("--resume")
    wait_for_step(training, again, steps_done + 2)
    again.send_signal(signal.SIGTERM)
    assert f"goes on at step {steps_done}" in again.communicate()[1]
    assert [step["step"] for step in training.steps()] == list(range(1, len(training.steps()) + 1))


def test_a_loss_that_is_no_number_changes_no_weight_and_ends_the_run_when_it_persists(training):
    training.write(lambda recipe: recipe["models"].update(small={"use": "trainee", "breaks_at": 5}))
    done = training("--epochs", "9")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "is not a number in 10 steps in a row, up to step 15" in done.stderr
    assert "arovane_beat_d_cc0_lossless.flac" in done.stderr
    assert "run/last holds the last good weights" in done.stderr
    assert [step["applied"] for step in training.steps()] == [True] * 5 + [False] * 10
    assert read_card(training.folder / "run" / "last" / "small.safetensors").training["epoch"] == 3


def test_a_run_stops_early_without_better_scores(training):
    done = training("--epochs", "50", "--set", "patience=2", "--set", "optimizer.learning_rate=1e-12")
    assert done.returncode == 0, done.stderr
    scored = [entry["name"] for entry in training.log() if entry["kind"] == "score" and entry["trained"]]
    assert scored[:4] == ["start", "epoch 1", "epoch 2", "epoch 3"]
    assert len(scored) < 10
