"""Errors. Each has a message of one sentence, and the exit code that the command line ends with.

Every error that a user can cause is an `UpscalerError`. Any other exception is a bug and shows its traceback.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class UpscalerError(Exception):
    """Base of every expected error. `str(error)` is a sentence for the user; `exit_code` is the process's."""

    exit_code = 1


class OutputError(UpscalerError):
    """A file cannot be written: impossible format, full disk, output equal to input (exit code 1)."""


class UsageError(UpscalerError):
    """The user typed, or passed to a function, something wrong (exit code 2)."""

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One fault of a pipeline file: its place (`file:line:col`, or the option typed) and what to write instead."""

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


class SpecError(UpscalerError):
    """A pipeline file is wrong. `problems` holds all of its faults (exit code 3)."""

    exit_code = 3

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)

    def __reduce__(self) -> tuple[type[SpecError], tuple[Sequence[Problem]]]:
        return type(self), (self.problems,)


class InputError(UpscalerError):
    """An input file, or a checkpoint, cannot be read (exit code 4)."""

    exit_code = 4


class MissingDependency(UpscalerError):
    """An optional package or program is not installed; the message says how to get it (exit code 5)."""

    exit_code = 5


class UnknownComponent(UsageError):
    """No installed plugin offers a component of that kind and name; the message lists near misses."""


@dataclass(frozen=True)
class Fault:
    """One fault of some options: the path of the key, a sentence, and whether the key itself is wrong."""

    path: tuple[int | str, ...]
    sentence: str
    at_key: bool = False

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.path))}: {self.sentence}" if self.path else self.sentence


class OptionError(UsageError):
    """A component does not take the options that it was given."""

    def __init__(self, component: str, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(f"{component}: {fault}" for fault in faults))
        self.component = component
        self.faults = tuple(faults)

    def __reduce__(self) -> tuple[type[OptionError], tuple[str, Sequence[Fault]]]:
        return type(self), (self.component, self.faults)


class PluginError(UpscalerError):
    """A plugin's component cannot be built, or breaks its contract."""
