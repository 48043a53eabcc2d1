"""The logs of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from upscaler_core import OutputError
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


def test_damaged_lines_are_left_out_and_counted(tmp_path):
    write_steps(tmp_path, 0, 4)
    path = tmp_path / LOG
    lines = path.read_text().splitlines(keepends=True)
    nested = '{"kind": "step", "step": ' + "[" * 100_000 + "\n"
    path.write_text(lines[0] + '{"kind": "step"}\n' + nested + "\x00\x00\n" + lines[1] + '{"step": 3}\n' + lines[3])
    assert [entry["step"] for entry in read_log(tmp_path)] == [1, 2, 4]
    log = TrainingLog(tmp_path, 2)
    log.close()
    assert log.damaged_lines == 4
    assert path.read_text() == lines[0] + lines[1]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_an_error_that_says_how_to_go_on(tmp_path):
    log = TrainingLog(tmp_path, 0)
    log._file.close()
    log._file = open("/dev/full", "w", buffering=1)  # noqa: SIM115, PTH123
    with pytest.raises(OutputError, match=r"cannot be written: No space left on device.*--resume"):
        log.write_step(1, 1, RESULT, Throughput(0, 10, 2))
    with pytest.raises(OutputError, match="--resume"):
        log.close()
