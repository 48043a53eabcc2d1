"""`upscaler train` as a user meets it: runs, interruptions, and what a run leaves behind."""

from __future__ import annotations

import os
import signal
import time

import pytest
import torch
import yaml

from upscaler_core.models import read_card


def wait_for_step(training, process, step, out="run"):
    while len(training.steps(out)) < step:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)


@pytest.fixture
def audio_file(audio):
    return audio / "speech_kerstin_de_cc0_48k.flac"


def test_a_run_leaves_weights_that_a_pipeline_uses_at_once(training, audio_file):
    done = training()
    assert done.returncode == 0, done.stderr
    run = training.folder / "run"
    assert {p.name for p in run.iterdir()} >= {
        "best", "last", "log.jsonl", "tensorboard", "report.md", "curves.png", "spectrograms.png", "recipe.yaml"
    }  # fmt: skip
    card = read_card(run / "best" / "small.safetensors")
    assert (card.component, card.rate) == ("trainee", 48_000)
    assert card.options == {"channels": 4, "breaks_at": None, "dropout": 0.1}
    assert card.training["steps"] in (4, 8)
    assert set(card.scores) == {"metric", "input", "tilted-noise", "this"}
    assert card.data == ["audio"]
    report = (run / "report.md").read_text()
    assert "| tilted-noise |" in report
    assert "| epoch 2 |" in report
    assert [len(step["losses"]) for step in training.steps()] == [2] * 8
    moved = run.rename(training.folder / "moved") / "best" / "pipeline.yaml"
    enhanced = training.upscaler("run", moved, audio_file, "-o", "out.wav")
    assert enhanced.returncode == 0, enhanced.stderr


def test_losses_fall(training):
    done = training("--epochs", "12", "--set", "optimizer.learning_rate=3e-3", "--set", "scoring.every=12")
    assert done.returncode == 0, done.stderr
    totals = [step["total"] for step in training.steps()]
    assert sum(totals[-16:]) < 0.95 * sum(totals[:16])


def test_a_killed_run_goes_on_with_the_losses_of_an_unbroken_one(training):
    training.write(lambda recipe: recipe.update(save_minutes=0, excerpts=24))
    adversary = ("--set", "losses.1={use: adversarial, channels: 4, fft_sizes: [128], weight: 0.1}")
    whole, process = training.start(*adversary, out="whole"), training.start(*adversary)
    wait_for_step(training, process, 5)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert 5 <= len(training.steps()) < 24
    resumed = training.start(*adversary, "--resume")
    said = resumed.communicate()[1]
    assert resumed.returncode == 0, said
    assert "goes on at step" in said
    whole.communicate()
    assert training.log() == training.log("whole")
    assert training.steps()[0]["critics"]


def test_workers_change_nothing(training):
    torch.set_num_threads(2)
    assert training("--epochs", "1").returncode == 0
    assert training("--epochs", "1", "--set", "workers=2", out="two").returncode == 0
    assert training.steps() == training.steps("two")


def test_interrupted_it_saves_and_says_how_to_go_on(training):
    training.write(lambda recipe: recipe.update(excerpts=4000, workers=1))
    process = training.start()
    wait_for_step(training, process, 2)
    process.send_signal(signal.SIGINT)
    said = process.communicate()[1]
    assert process.returncode == 130, said
    assert "go on with --resume" in said
    taken = len(training.steps())
    again = training.start("--resume")
    wait_for_step(training, again, taken + 2)
    again.send_signal(signal.SIGTERM)
    assert f"goes on at step {taken}" in again.communicate()[1]
    assert [step["step"] for step in training.steps()] == list(range(1, len(training.steps()) + 1))


def test_a_loss_that_is_no_number_moves_no_weight_and_ends_the_run_when_it_persists(training):
    training.write(lambda recipe: recipe["models"].update(small={"use": "trainee", "breaks_at": 5}))
    done = training("--epochs", "9")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "is not a number in 10 steps in a row, up to step 15" in done.stderr
    assert "arovane_beat_d_cc0_lossless.flac" in done.stderr
    assert "run/last holds the last good weights" in done.stderr
    assert [step["applied"] for step in training.steps()] == [True] * 5 + [False] * 10
    assert read_card(training.folder / "run" / "last" / "small.safetensors").training["epoch"] == 3


def test_it_stops_early(training):
    done = training("--epochs", "50", "--set", "patience=2", "--set", "optimizer.learning_rate=1e-12")
    assert done.returncode == 0, done.stderr
    scored = [entry["name"] for entry in training.log() if entry["kind"] == "score" and entry["trained"]]
    assert scored[:4] == ["start", "epoch 1", "epoch 2", "epoch 3"]
    assert len(scored) < 10


def test_fine_tuning_begins_at_a_checkpoint(training):
    assert training().returncode == 0
    kept = training.folder / "run" / "last" / "small.safetensors"
    training.write(lambda recipe: recipe["models"].update(small={"use": "trainee", "checkpoint": str(kept)}))
    done = training("--epochs", "1", out="tuned")
    assert done.returncode == 0, done.stderr
    assert training.steps("tuned")[0]["total"] != training.steps()[0]["total"]


def test_folders_are_not_mixed_up(training):
    assert training("--epochs", "1").returncode == 0
    again = training()
    assert again.returncode == 2
    assert "add --resume to go on with it" in again.stderr
    other = training("--resume", "--set", "seed=1")
    assert other.returncode == 2
    assert "seed changed" in other.stderr
    further = training("--resume", "--epochs", "2")
    assert further.returncode == 0, further.stderr
    assert len(training.steps()) == 8


def test_two_channels_as_mid_and_side(training):
    changed = ("--set", "channels=mid-side", "--set", "losses.1={use: stereo, weight: 0.3}", "--epochs", "1")
    done = training(*changed)
    assert done.returncode == 0, done.stderr
    pipeline = yaml.safe_load((training.folder / "run" / "best" / "pipeline.yaml").read_text())
    assert pipeline["stereo"] == "mid-side"


def test_faults_of_a_recipe_have_their_place(training):
    training.write(lambda recipe: recipe.update(batches=3, fusion={"use": "blent"}, patience=1))
    done = training()
    assert done.returncode == 3
    assert "batches: unknown key; did you mean 'batch'?" in done.stderr
    assert "fusion.use: there is no fusion 'blent'; did you mean 'blend'?" in done.stderr
    assert done.stderr.count("recipe.yaml:") == 2
    assert not (training.folder / "run").exists()


def test_recordings_that_cannot_be_read_are_said_and_left_out(training, audio):
    (training.folder / "music").mkdir()
    (training.folder / "music" / "broken.flac").write_bytes(b"no audio at all")
    (training.folder / "music" / "good.flac").symlink_to(audio / "arovane_beat_d_cc0_lossless.flac")
    training.write(lambda recipe: recipe["data"].update(train=["music"]))
    done = training("--epochs", "1")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("broken.flac") == 1
    assert "left out" in done.stderr


@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        (["data.train=[nothing]"], 2, "there is no audio file"),
        (["losses=[]"], 2, "nothing to minimize"),
        (["data.cache_gib=0.000001"], 2, "raise data.cache_gib"),
        (["models.small={use: tilted-noise}"], 2, "has weights to train"),
        (["precision=float16"], 2, "write precision: bfloat16"),
    ],
)
def test_what_cannot_be_trained_is_said_in_a_sentence(training, settings, code, said):
    words = [word for setting in settings for word in ("--set", setting)]
    done = training("--device", "cpu", *words)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
