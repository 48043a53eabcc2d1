"""What a run writes to go on from, and the weights that pipelines and other trainings begin with."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
import torch
import yaml

from upscaler_core import InputError
from upscaler_core.models import read_card
from upscaler_train.checkpoints import add_prefix, load_state, save_state, strip_prefix


def test_a_state_has_all_tensors_and_facts(tmp_path):
    tensors = add_prefix({"a": torch.arange(3.0), "b": torch.tensor(2)}, "system")
    save_state(tmp_path / "state.safetensors", tensors, {"progress": {"step": 7}})
    loaded, facts = load_state(tmp_path / "state.safetensors")
    assert facts == {"progress": {"step": 7}}
    assert set(loaded) == {"system/a", "system/b"}
    assert torch.equal(strip_prefix(loaded, "system")["a"], torch.arange(3.0))
    assert strip_prefix(loaded, "average") == {}


def test_a_damaged_state_is_an_input_error(tmp_path):
    (tmp_path / "state.safetensors").write_bytes(b"no tensors")
    with pytest.raises(InputError, match="is damaged"):
        load_state(tmp_path / "state.safetensors")


@pytest.mark.slow
def test_a_run_leaves_weights_that_a_pipeline_uses_at_once(training, audio):
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
    tensors, facts = load_state(run / "state.safetensors")  # these names are on users' disks
    assert {name.split("/")[0] for name in tensors} == {"system", "average", "optimizer"}
    assert {"system/trained.small.net.0.weight", "average/n_averaged", "optimizer/0.exp_avg"} <= set(tensors)
    assert set(facts) == {"progress", "scaler"}
    assert set(facts["progress"]) == {"step", "bad", "best", "best_epoch", "stale", "seconds"}
    moved = run.rename(training.folder / "moved") / "best" / "pipeline.yaml"
    enhanced = training.upscaler("run", moved, audio / "speech_kerstin_de_cc0_48k.flac", "-o", "out.wav")
    assert enhanced.returncode == 0, enhanced.stderr


@pytest.mark.slow
def test_fine_tuning_begins_at_a_checkpoint(training):
    assert training().returncode == 0
    weights = training.folder / "run" / "last" / "small.safetensors"
    training.write(lambda recipe: recipe["models"].update(small={"use": "trainee", "checkpoint": str(weights)}))
    done = training("--epochs", "1", out="tuned")
    assert done.returncode == 0, done.stderr
    assert training.steps("tuned")[0]["total"] != training.steps()[0]["total"]


def test_two_channels_as_mid_and_side(training):
    changed = ("--set", "channels=mid-side", "--set", "losses.1={use: stereo, weight: 0.3}", "--epochs", "1")
    done = training(*changed)
    assert done.returncode == 0, done.stderr
    pipeline = yaml.safe_load((training.folder / "run" / "best" / "pipeline.yaml").read_text())
    assert pipeline["stereo"] == "mid-side"


@pytest.mark.slow
def test_a_damaged_run_ends_with_a_sentence(training):
    assert training("--epochs", "1").returncode == 0
    run = training.folder / "run"
    state, recipe = (run / "state.safetensors").read_bytes(), (run / "recipe.yaml").read_text()

    def refused(*words: str) -> str:
        done = training("--resume")
        assert done.returncode != 0
        assert "Traceback" not in done.stderr
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("upscaler: ")]
        assert all(word in line for word in words), line
        return line

    tensors, facts = load_state(run / "state.safetensors")
    for name, value in (("step", "many"), ("best", [1]), ("seconds", None)):
        progress = facts["progress"] | {name: value}
        save_state(run / "state.safetensors", tensors, facts | {"progress": progress})
        refused("state.safetensors is damaged", "--out")
    save_state(run / "state.safetensors", {name: tensor[:0] for name, tensor in tensors.items() if tensor.dim()}, facts)
    refused("state.safetensors is damaged", "--out")
    (run / "state.safetensors").write_bytes(state)
    for text in ("[1, 2]", "version: [", "\x00", "{" * 10_000):
        (run / "recipe.yaml").write_text(text)
        refused("recipe.yaml is damaged", "--out")
    (run / "recipe.yaml").write_text(recipe)
    assert training("--resume").returncode == 0


@pytest.mark.slow
def test_two_trainings_do_not_share_a_folder(training):
    first = training.start("--epochs", "1000")
    while not training.steps():
        assert first.poll() is None, first.communicate()
        time.sleep(0.1)
    second = training("--resume")
    first.terminate()
    first.communicate()
    assert second.returncode == 2
    assert "another training writes into" in second.stderr


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the processes in /proc")
def test_a_killed_data_process_ends_with_a_sentence_that_says_how_to_go_on(training):
    training.write(lambda recipe: recipe.update(workers=1, epochs=1000))
    running = training.start()
    while len(training.steps()) < 2:
        assert running.poll() is None, running.communicate()
        time.sleep(0.1)
    for child in Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split():
        if "resource_tracker" not in Path(f"/proc/{child}/cmdline").read_text():
            os.kill(int(child), signal.SIGKILL)
    _, errors = running.communicate(timeout=120)
    assert running.returncode == 1
    assert "Traceback" not in errors
    assert "--resume" in errors
