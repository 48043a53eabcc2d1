"""The storage of a study: a journal file, or a database that many hosts can reach."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from upscaler_core import InputError, MissingDependency, UpscalerError, UsageError
from upscaler_tune.sampler import SeededSampler

LOCK_SECONDS = 10
"""After this time, the journal's lock is taken from its process, which was killed or suspended while it held the lock."""
ATTEMPTS = 5
"""Attempts to open a database. Another process may be creating its tables at the same moment."""
LINE_BEGINNING, LINE_BYTES = b'{"op_code"', 1 << 20
"""The first bytes of each line of a journal, and the greatest length of a line."""
DEFINITION = "recipe"
"""Name of the study's attribute that holds its definition."""


@contextmanager
def storage_errors(location: str) -> Iterator[None]:
    """Turn every error of the storage at a path or URL into an `UpscalerError` with one sentence."""
    try:
        yield
    except ImportError as error:
        raise MissingDependency(
            f"{without_password(location)}: no driver for it ({error.name or error}); for PostgreSQL: "
            "pip install 'ai-audio-upscaler[postgres]', and write postgresql+psycopg://"
        ) from None
    except ArgumentError:
        raise UsageError(
            f"--storage {without_password(location)}: is no URL of a database that is known here, such as "
            "postgresql+psycopg://host/name"
        ) from None
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise UpscalerError(
            f"{without_password(location)}: the storage fails: {reason}; the same command goes on later"
        ) from None


def open_storage(location: str) -> BaseStorage:
    """Open a storage, and create it if there is none.

    Args:
        location: a path, or a URL of SQLAlchemy, such as `postgresql+psycopg://host/name`.

    Raises:
        UpscalerError: it cannot be reached or read.
    """
    with storage_errors(location):
        return _database(location) if "://" in location else _journal(Path(location).absolute())


class _Lock(JournalFileOpenLock):
    """A lock that can be taken from a process that holds it too long, for example because it is suspended.

    When that process continues, it may write its line while another process writes. This does no harm, since each line is
    appended by one write.
    """

    def release(self) -> None:
        """Release the lock unless another process has taken it."""
        with suppress(RuntimeError):
            super().release()


def _journal(path: Path) -> BaseStorage:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = _Lock(str(path), grace_period=LOCK_SECONDS)
        backend = JournalFileBackend(str(path), lock_obj=lock)
        lock.acquire()
        try:
            _cut_torn_line(path)
        finally:
            lock.release()
        return JournalStorage(backend)
    except OSError as error:
        raise UpscalerError(f"{path}: cannot be written: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: is no journal of a study, or a damaged one") from None


def _cut_torn_line(path: Path) -> None:
    """Remove a last line that a full disk or a power cut left incomplete. A line after it would be lost too."""
    with path.open("rb+") as file:
        if not file.readline().startswith(LINE_BEGINNING):
            return  # this is not a journal, but another file of the user
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - LINE_BYTES))
        file.truncate(end - len(file.read().rpartition(b"\n")[2]))


def _database(url: str) -> BaseStorage:
    for attempt in range(ATTEMPTS):
        try:
            return RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
        except DBAPIError:
            if attempt == ATTEMPTS - 1:
                raise
            time.sleep(0.5)
        except RuntimeError as error:  # tables of another version of Optuna
            raise UpscalerError(f"{without_password(url)}: {error}") from None
    raise AssertionError("unreachable")


def without_password(location: str) -> str:
    """A path, or a URL without its password, for messages."""
    try:
        return make_url(location).render_as_string(hide_password=True) if "://" in location else location
    except SQLAlchemyError:
        return "--storage"


def check_definition(study: optuna.Study, definition: Mapping[str, Any]) -> None:
    """Store the definition of a new study; compare it with the stored one otherwise.

    Raises:
        UsageError: the study began with another recipe.
    """
    stored = study.user_attrs.get(DEFINITION)
    if stored is None:
        study.set_user_attr(DEFINITION, dict(definition))
    elif changed := [key for key in definition if definition[key] != stored.get(key)]:
        raise UsageError(
            f"the recipe is not the one that the study '{study.study_name}' began with: {', '.join(changed)} changed; "
            "set it back, or begin another study by --study and --out"
        )


def open_study(
    storage: BaseStorage,
    name: str,
    definition: Mapping[str, Any],
    higher_is_better: bool,
    pruner: str,
    scorings: int,
    seed: int,
) -> optuna.Study:
    """Open a study, and begin it if there is none of this name.

    Args:
        storage: stores the study.
        name: name of the study.
        definition: the recipe and the search space; they must be the same as at the beginning.
        higher_is_better: whether higher scores are better.
        pruner: `median`, `hyperband` or `none`.
        scorings: number of scorings of a trial.
        seed: seed of the random values.

    Raises:
        UsageError: the study began with another recipe.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        direction="maximize" if higher_is_better else "minimize",
        load_if_exists=True,
        sampler=SeededSampler(seed),
        pruner=PRUNERS[pruner](scorings),
    )
    check_definition(study, definition)
    return study


PRUNERS: Mapping[str, Callable[[int], BasePruner]] = {
    "median": lambda scorings: MedianPruner(),
    "hyperband": lambda scorings: HyperbandPruner(min_resource=1, max_resource=scorings),
    "none": lambda scorings: NopPruner(),
}
