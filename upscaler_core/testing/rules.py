"""The rules of a contract: each is a function that looks at a component and says what is wrong with it, if anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from upscaler_core.errors import MissingDependency
from upscaler_core.plugins.components import Kind, Options
from upscaler_core.plugins.registry import Entry, Registry


class ContractBroken(AssertionError):
    """A component breaks a rule of its contract."""


@dataclass(frozen=True)
class Subject:
    """The component under test, with all that a check may need."""

    registry: Registry
    entry: Entry
    options: Options

    @cached_property
    def built(self) -> Any:
        """The component itself."""
        return self.registry.build(self.entry.kind, self.entry.full_name, self.options)


@dataclass(frozen=True)
class Check:
    """One rule of one kind's contract."""

    name: str
    kind: Kind
    asks: str
    """What the protocol asks, in a sentence."""
    find_fault: Callable[[Subject], str | None]
    """Returns what was seen instead, or None if the component keeps the rule."""

    def run(self, subject: Subject) -> None:
        """Check the rule.

        Raises:
            ContractBroken: the component does not keep the rule, or raises an error.
            MissingDependency: something that the component needs is not installed. That breaks no rule.
        """
        try:
            fault = self.find_fault(subject)
        except MissingDependency:
            raise
        except Exception as error:
            raise ContractBroken(self._message(f"it raised {type(error).__name__}: {error}")) from error
        if fault is not None:
            raise ContractBroken(self._message(fault))

    def _message(self, fault: str) -> str:
        return f"{self.name}: asked: {self.asks}; seen: {fault}"


CHECKS: list[Check] = []
"""All checks. The modules of the package `checks` fill it when they are imported."""


def rule(kind: Kind, asks: str) -> Callable[[Callable[[Subject], str | None]], Callable[[Subject], str | None]]:
    """Register a function as a check. The check's name is the function's, without the kind."""

    def register(find_fault: Callable[[Subject], str | None]) -> Callable[[Subject], str | None]:
        name = find_fault.__name__.removeprefix(f"{kind}_").replace("_", "-")
        CHECKS.append(Check(name, kind, asks, find_fault))
        return find_fault

    return register
