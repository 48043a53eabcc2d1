"""`upscaler tune` as a user runs it: searches, interruptions, several processes, and the files that a search writes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import yaml

pytestmark = pytest.mark.slow  # every test starts the command line, most of them several times


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_search_writes_the_best_recipe_and_a_report(tuning):
    result = tuning.result("-n", 6, "--jobs", 2)
    assert [trial["state"] for trial in result["trials"]] == ["done"] * 6
    assert set(result["trials"][0]["values"]) == {
        "models.*.base_channels", "models.*.num_layers", "optimizer.learning_rate", "batch"
    }  # fmt: skip
    best = min(result["trials"], key=lambda trial: trial["score"])
    assert result["best"] == best
    assert best["score"] == min(best["scores"])
    folder = tuning.folder / "studies" / "recipe"
    recipe = yaml.safe_load((folder / "best.yaml").read_text())
    assert recipe["batch"] == best["values"]["batch"]
    assert recipe["models"]["net"]["num_layers"] == best["values"]["models.*.num_layers"]
    assert recipe["data"]["train"] == [str(tuning.folder / "train.wav")]
    assert "search" not in recipe
    assert sum(result["importances"].values()) == pytest.approx(1, abs=0.01)
    page = (folder / "report.html").read_text()
    assert page.count("<polyline") >= 6 + 5
    assert page.count("<svg") == 3
    assert not re.search(r"https?://|<script|src=", page)


def test_the_table_and_the_lines_of_a_pipe(tuning):
    done = tuning("-n", 2, "--set", "fails=false")
    assert done.returncode == 0, done.stderr
    rows = done.stdout.splitlines()
    assert rows[0].split()[:2] == ["trial", "base_channels"]
    assert [row.split()[0] for row in rows[1:]] == ["0", "1"]
    assert len(re.findall(r"trial \d: done distance [\d.]+ · .*best [\d.]+", done.stderr)) == 2
    again = tuning("-n", 2)
    assert again.returncode == 0
    assert again.stdout == done.stdout
    assert "trial" not in again.stderr.replace("trials", "")


def test_a_killed_search_goes_on_with_nothing_lost(tuning):
    """The values depend on seed and number, and the training of the killed trial continues."""
    search = {"optimizer.learning_rate": {"low": 1e-5, "high": 1e-2, "log": True}}
    tuning.write(search=search)
    uninterrupted = tuning.result("-n", 3, "--out", "uninterrupted")
    tuning.write(search=search, seconds=0.4, epochs=4)
    process = tuning.start("-n", 3)
    tuning.wait_for(lambda: len(tuning.scorings().get("0001", [])) >= 2, process)
    trainer = tuning.scorings()["0001"][-1]["process"]
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    result = tuning.result("-n", 3, "--grace", 1)
    assert not is_alive(trainer)
    assert [trial["state"] for trial in result["trials"]] == ["done"] * 3
    first = [trial["values"] for trial in uninterrupted["trials"][:2]]
    assert [trial["values"] for trial in result["trials"]][:1] == first[:1]
    assert first[1] in [trial["values"] for trial in result["trials"]]
    log = tuning.scorings()["0001"]
    assert [entry["step"] for entry in log] == [0, 10, 20, 30, 40]
    assert len({entry["process"] for entry in log}) == 2


def test_an_interrupted_search_leaves_no_process_and_goes_on(tuning):
    tuning.write(seconds=0.5, epochs=4)
    process = tuning.start("-n", 2, "--jobs", 2)
    tuning.wait_for(lambda: [len(log) > 1 for log in tuning.scorings().values()] == [True, True], process)
    trainers = [log[-1]["process"] for log in tuning.scorings().values()]
    process.send_signal(signal.SIGINT)
    stderr = process.communicate()[1]
    assert process.returncode == 130, stderr
    assert "the same command goes on" in stderr
    assert not any(map(is_alive, trainers))
    result = tuning.result("-n", 2)
    assert [trial["state"] for trial in result["trials"]] == ["done"] * 2
    assert [len({entry["process"] for entry in log}) for log in tuning.scorings().values()] == [2, 2]


def test_a_training_that_is_killed_is_begun_again(tuning):
    tuning.write(seconds=0.3, epochs=4)
    process = tuning.start("-n", 1)
    tuning.wait_for(lambda: len(tuning.scorings().get("0000", [])) >= 2, process)
    os.kill(tuning.scorings()["0000"][-1]["process"], signal.SIGKILL)
    stderr = process.communicate()[1]
    assert process.returncode == 0, stderr
    assert "trial 0: its training was killed; its values are tried again" in stderr
    assert [entry["step"] for entry in tuning.scorings()["0000"]] == [0, 10, 20, 30, 40]


@pytest.fixture(params=["journal", "postgresql"])
def storage(request):
    return "study.log" if request.param == "journal" else request.getfixturevalue("database")


def test_two_processes_share_a_study_and_one_is_killed(tuning, storage):
    tuning.write(seconds=0.3, epochs=4)
    words = ("-n", 5, "--storage", storage, "--grace", 2, "--pruner", "none")
    lost, other = tuning.start(*words, "--out", "a"), tuning.start(*words, "--out", "b")
    tuning.wait_for(lambda: bool(tuning.scorings("a")) and len(tuning.scorings("b")) > 0, lost)
    os.kill(lost.pid, signal.SIGKILL)
    lost.communicate()
    stderr = other.communicate()[1]
    assert other.returncode == 0, stderr
    result = tuning.result(*words, "--out", "b")
    assert [trial["state"] for trial in result["trials"]] == ["done"] * 5
    numbers = [trial["trial"] for trial in result["trials"]]
    assert len(numbers) == 5
    assert max(numbers) == 5, "one was lost, and one replaces it"
    (missing,) = set(range(6)) - set(numbers)
    assert f"{missing:04}" in tuning.scorings("a")
    assert f"{missing:04}" in tuning.scorings("b"), "its training was started again under the same name"
    values = [tuple(trial["values"].values()) for trial in result["trials"]]
    assert len(set(values)) == 5, "two processes never draw the same values"


def test_a_suspended_search_loses_its_trial_and_finds_out(tuning):
    """Its training continues meanwhile in the same folder. The process that takes the trial waits for its end."""
    tuning.write(seconds=0.4, epochs=8)
    suspended = tuning.start("-n", 1)
    tuning.wait_for(lambda: len(tuning.scorings().get("0000", [])) >= 2, suspended)
    suspended.send_signal(signal.SIGSTOP)
    result = tuning.result("-n", 1, "--grace", 1)
    assert [(trial["trial"], trial["state"]) for trial in result["trials"]] == [(1, "done")]
    suspended.send_signal(signal.SIGCONT)
    stderr = suspended.communicate()[1]
    assert suspended.returncode == 0, stderr
    (log,) = tuning.scorings().values()
    assert [entry["step"] for entry in log] == [10 * epoch for epoch in range(9)]


@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_poor_trials_end_early(tuning, pruner):
    tuning.write(epochs=9, seconds=0.1, search={"optimizer.learning_rate": {"low": 1e-6, "high": 1e-1, "log": True}})
    result = tuning.result("-n", 9, "--jobs", 3, "--pruner", pruner)
    pruned = [trial for trial in result["trials"] if trial["state"] == "pruned"]
    assert pruned
    assert result["best"]["state"] == "done"
    assert all(len(trial["scores"]) < 9 for trial in pruned)
    logs = tuning.scorings()
    assert min(len(logs[f"{trial['trial']:04}"]) for trial in pruned) < 10


def test_a_recipe_that_cannot_be_trained_ends_the_search(tuning):
    tuning.write(fails=True)
    done = tuning("-n", 20)
    assert done.returncode == 2
    assert done.stderr.count("trial ") == 3
    assert "no training can be done by this recipe: it cannot be trained" in done.stderr
    assert "Traceback" not in done.stderr


def test_values_that_cannot_be_trained_cost_only_their_trials(tuning):
    tuning.write(search={"fails": None})
    result = tuning.result("-n", 6)
    states = {trial["values"]["fails"]: trial["state"] for trial in result["trials"]}
    assert states == {False: "done", True: "failed: it cannot be trained"}


def test_faults_of_a_search_have_their_place(tuning):
    tuning.write(
        data={"train": ["train.wav"]},
        search={
            "models.net.base_chanels": None,
            "models.other.num_layers": None,
            "models.net.slope": None,
            "models.net.num_layers": {"low": 2},
            "batch": {"low": 8, "high": 4},
            "optimizer": None,
            "optimizer.learning_rate": {"low": 0.1, "high": 0.2, "log": True, "step": 0.1},
            "data.train": {"choices": [["a"]]},
        },
    )
    done = tuning()
    assert done.returncode == 3
    stderr = done.stderr
    assert (
        "models.net.base_chanels: there is no 'base_chanels' to search in models.net; did you mean 'base_channels'?"
        in stderr
    )
    assert "there is no 'other' to search in models; choose from net" in stderr
    assert "models.net.slope: the option has no low end of its own that it includes: write low" in stderr
    assert "models.net.num_layers: 2 must be greater than or equal to 3" in stderr
    assert "batch: low, 8, is above high, 4" in stderr
    assert "'optimizer' is not one option but several: write optimizer. and the name of one" in stderr
    assert "log and step exclude each other" in stderr
    assert "'train' is not one option but several" in stderr
    assert "add data.validation" in stderr
    assert len(re.findall(r"recipe\.yaml:\d+:\d+: ", stderr)) == 9
    assert not (tuning.folder / "studies").exists()
    tuning.write(search={"batch": {"lows": 4}})
    assert "search.batch.lows: unknown key; did you mean 'low'?" in tuning().stderr


def test_optuna_dashboard_opens_the_study(tuning):
    assert tuning("-n", 1).returncode == 0
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("optuna-dashboard")
    words = [program, tuning.folder / "studies" / "recipe" / "journal.log", "--host", "127.0.0.1", "--port", str(port)]
    dashboard = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    tuning.started.append(dashboard)

    def answer():
        with contextlib.suppress(URLError), urlopen(f"http://127.0.0.1:{port}/api/studies") as page:
            return json.load(page)

    tuning.wait_for(answer, dashboard)
    (study,) = answer()["study_summaries"]
    assert study["study_name"] == "recipe"
