"""Where a study is kept: a journal file, or a database that many hosts reach."""

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
"""After which the journal's lock is taken from a process that was killed while it held it, or is suspended."""
ATTEMPTS = 5
"""To reach a database whose tables another process may be making at this moment."""
BEGINNING, LINE_BYTES = b'{"op_code"', 1 << 20
"""How each line of a journal begins, and how long it is at most."""
FACTS = "recipe"


@contextmanager
def storage_errors(place: str) -> Iterator[None]:
    """Say in a sentence what is wrong with the storage at a path or URL."""
    try:
        yield
    except ImportError as error:
        raise MissingDependency(
            f"{shown(place)}: no driver for it ({error.name or error}); for PostgreSQL: "
            "pip install 'ai-audio-upscaler[postgres]', and write postgresql+psycopg://"
        ) from None
    except ArgumentError:
        raise UsageError(
            f"--storage {shown(place)}: is no URL of a database that is known here, such as "
            "postgresql+psycopg://host/name"
        ) from None
    except (SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise UpscalerError(f"{shown(place)}: the storage fails: {reason}; the same command goes on later") from None


def open_storage(place: str) -> BaseStorage:
    """Open a storage, and make it where there is none.

    Args:
        place: a path, or a URL as SQLAlchemy takes it, such as `postgresql+psycopg://host/name`.

    Raises:
        UpscalerError: it cannot be reached or read.
    """
    with storage_errors(place):
        return _database(place) if "://" in place else _journal(Path(place).absolute())


class _Lock(JournalFileOpenLock):
    """A lock that may be taken from a process that holds it too long, as a suspended one does.

    That one's line is then written beside another's, which is no harm: a line is appended by one write.
    """

    def release(self) -> None:
        """Release it, unless it was taken."""
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
    """Take back a last line that a full disk or a power cut left unfinished; what follows it would be lost with it."""
    with path.open("rb+") as file:
        if not file.readline().startswith(BEGINNING):
            return  # no journal: somebody's file
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
            raise UpscalerError(f"{shown(url)}: {error}") from None
    raise AssertionError("unreachable")


def shown(place: str) -> str:
    """A path, or a URL without its password."""
    try:
        return make_url(place).render_as_string(hide_password=True) if "://" in place else place
    except SQLAlchemyError:
        return "--storage"


def agree(study: optuna.Study, facts: Mapping[str, Any]) -> None:
    """Keep what a study searches with it, or see that it is the same.

    Raises:
        UsageError: the study began with another recipe.
    """
    former = study.user_attrs.get(FACTS)
    if former is None:
        study.set_user_attr(FACTS, dict(facts))
    elif changed := [key for key in facts if facts[key] != former.get(key)]:
        raise UsageError(
            f"the recipe is not the one that the study '{study.study_name}' began with: {', '.join(changed)} changed; "
            "set it back, or begin another study by --study and --out"
        )


def open_study(
    storage: BaseStorage,
    name: str,
    facts: Mapping[str, Any],
    higher_is_better: bool,
    pruner: str,
    scorings: int,
    seed: int,
) -> optuna.Study:
    """Open a study, and begin it where there is none.

    Args:
        storage: where it is kept.
        name: the study's.
        facts: what it searches; must be what it began with.
        higher_is_better: of its scores.
        pruner: `median`, `hyperband` or `none`.
        scorings: of a trial.
        seed: for what is drawn.

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
    agree(study, facts)
    return study


PRUNERS: Mapping[str, Callable[[int], BasePruner]] = {
    "median": lambda scorings: MedianPruner(),
    "hyperband": lambda scorings: HyperbandPruner(min_resource=1, max_resource=scorings),
    "none": lambda scorings: NopPruner(),
}
