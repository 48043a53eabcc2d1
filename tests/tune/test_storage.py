"""The storage of a study: what it refuses, and what a journal survives."""

from __future__ import annotations

from pathlib import Path

import pytest

from upscaler_core import UpscalerError
from upscaler_tune.storage import open_storage, open_study, storage_errors

DEFINITION = {"epochs": 3, "batch": 8}


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "journal.log"


def study_at(path: Path, **changes: object):
    return open_study(open_storage(str(path)), "one", DEFINITION | changes, False, "median", 3, 0)


def test_a_study_is_of_one_recipe(journal):
    study_at(journal).tell(study_at(journal).ask().number, 0.5)
    assert study_at(journal).best_value == 0.5
    with pytest.raises(UpscalerError, match="the study 'one' began with: epochs changed") as error:
        study_at(journal, epochs=4)
    assert error.value.exit_code == 2


def test_a_journal_that_a_power_cut_tore_goes_on(journal):
    study_at(journal).enqueue_trial({"a": 1})
    with journal.open("a") as file:
        file.write('{"op_code":4,"worker')
    study_at(journal).enqueue_trial({"a": 2})
    assert [trial.number for trial in study_at(journal).trials] == [0, 1]


@pytest.mark.parametrize(
    ("location", "code", "message"),
    [
        ("notes.txt", 4, "is no journal of a study"),
        ("notes.txt/journal.log", 1, "cannot be written"),
        ("nonsense://u:secret@host/name", 2, "is no URL of a database"),
        ("mysql+pymysql://u:secret@host/name", 5, "no driver for it"),
        ("postgresql+psycopg://u:secret@127.0.0.1:1/name", 1, "the storage fails"),
    ],
)
def test_the_error_of_a_storage_is_one_sentence(tmp_path, monkeypatch, location, code, message):
    monkeypatch.chdir(tmp_path)
    Path("notes.txt").write_text("a\nlast line, without an end")
    with pytest.raises(UpscalerError, match=message) as error:
        open_storage(location)
    assert error.value.exit_code == code
    assert "secret" not in str(error.value)
    assert Path("notes.txt").read_text() == "a\nlast line, without an end"


def test_the_error_of_a_database_that_fails_later_is_one_sentence():
    from sqlalchemy.exc import OperationalError

    with (
        pytest.raises(UpscalerError, match="server closed the connection; the same command"),
        storage_errors("x://y/z"),
    ):
        raise OperationalError("SELECT 1", {}, Exception("server closed the connection\nunexpectedly"))
