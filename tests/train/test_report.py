"""The logs of a run."""

from __future__ import annotations

from upscaler_train.display import Throughput
from upscaler_train.report import LOG, TrainingLog, read_log
from upscaler_train.step import StepResult

RESULT = StepResult({"l1": 0.5}, 0.5, {}, 1.0, 1e-4, True)


def write_steps(folder, first, last):
    """Open a run's log after step `first`, and write the steps up to `last`."""
    log = TrainingLog(folder, first)
    for step in range(first + 1, last + 1):
        log.write_step(step, 1, RESULT, Throughput(0, 10, 2))
    log.close()


def test_steps_after_the_saved_one_are_removed_when_a_run_goes_on(tmp_path):
    write_steps(tmp_path, 0, 5)
    write_steps(tmp_path, 3, 4)
    assert [entry["step"] for entry in read_log(tmp_path)] == [1, 2, 3, 4]
    write_steps(tmp_path, 0, 1)
    assert [entry["step"] for entry in read_log(tmp_path)] == [1]


def test_a_line_that_a_kill_cut_short_is_left_out(tmp_path):
    write_steps(tmp_path, 0, 2)
    path = tmp_path / LOG
    path.write_text(path.read_text()[:-9])
    assert [entry["step"] for entry in read_log(tmp_path)] == [1]


def test_an_entry_has_these_keys(tmp_path):
    write_steps(tmp_path, 0, 1)
    (entry,) = read_log(tmp_path)
    assert list(entry) == [
        "kind", "step", "epoch", "losses", "total", "critics", "gradient", "learning_rate", "applied"
    ]  # fmt: skip
