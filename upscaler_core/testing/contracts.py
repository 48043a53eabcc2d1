"""Runs contracts: every check has a name, says what the protocol asks, and on failure what was seen.

One decorator makes a test file:

    from upscaler_core.testing import contract_tests

    @contract_tests("poly-sinc-hq", dsp_quality="fast")
    def test_contract(check):
        check()
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from upscaler_core.errors import MissingDependency, UnknownComponent
from upscaler_core.models.checkpoint import ModelOptions
from upscaler_core.plugins.components import Component, Kind, Options, suggest, validate
from upscaler_core.plugins.registry import Entry, Registry, discover

if TYPE_CHECKING:
    import pytest


class Broken(AssertionError):
    """A component does not do what its protocol asks."""


@dataclass(frozen=True)
class Subject:
    """The component under test, with what a check may want to know of it."""

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
    body: Callable[[Subject], str | None]
    """Returns what was seen instead, or None where the rule holds."""

    def run(self, subject: Subject) -> None:
        """Raise `Broken` where the rule does not hold, or where checking it raises.

        Raises:
            MissingDependency: what it needs is not installed; that breaks no rule.
        """
        try:
            seen = self.body(subject)
        except MissingDependency:
            raise
        except Exception as error:
            raise Broken(self._told(f"it raised {type(error).__name__}: {error}")) from error
        if seen is not None:
            raise Broken(self._told(seen))

    def _told(self, seen: str) -> str:
        return f"{self.name}: asked: {self.asks}; seen: {seen}"


CHECKS: list[Check] = []


def rule(kind: Kind, asks: str) -> Callable[[Callable[[Subject], str | None]], Callable[[Subject], str | None]]:
    """Register a check; its name is the function's, without the kind."""

    def register(body: Callable[[Subject], str | None]) -> Callable[[Subject], str | None]:
        CHECKS.append(Check(body.__name__.removeprefix(f"{kind}_").replace("_", "-"), kind, asks, body))
        return body

    return register


def checks_of(kind: Kind) -> list[Check]:
    """The contract of one kind."""
    from upscaler_core.testing import checks  # noqa: F401 - fills CHECKS

    return [check for check in CHECKS if check.kind == kind]


def _options(component: Component, given: dict[str, Any]) -> Options:
    """Checked options; a contract judges a model's code, so without a checkpoint of the author's choice it is untrained."""
    untrained = {"checkpoint": "none"} if issubclass(component.options, ModelOptions) else {}
    return validate(component, {**untrained, **given})


def contract_failures(registry: Registry, entry: Entry, **options: Any) -> list[str]:
    """Run a component's whole contract; return what is broken, a sentence each.

    Raises:
        UpscalerError: it cannot be built.
    """
    subject = Subject(registry, entry, _options(entry.component, options))
    _ = subject.built
    failures = []
    for check in checks_of(entry.kind):
        try:
            check.run(subject)
        except Broken as broken:
            failures.append(str(broken))
    return failures


def contract_tests(
    name: str, kind: Kind | str | None = None, registry: Registry | None = None, **options: Any
) -> pytest.MarkDecorator:
    """Parametrize a test over the checks of a component's contract.

    Args:
        name: the component, or `plugin/name`.
        kind: needed only where two kinds have a component of that name.
        registry: discovered by default.
        options: the component's options.

    Raises:
        UnknownComponent: it is not installed.
    """
    import pytest

    registry = registry or discover()
    found = [
        entry
        for entry in registry.entries
        if name in (entry.component.name, entry.full_name) and kind in (None, entry.kind)
    ]
    if not found:
        known = [entry.component.name for entry in registry.entries]
        raise UnknownComponent(
            f"there is no component '{name}' to test: is its plugin installed? {suggest(name, known)}{registry.unavailable_note()}"
        )
    cases = []
    for entry in found:
        subject = Subject(registry, entry, _options(entry.component, options))
        for check in checks_of(entry.kind):
            cases.append(pytest.param(lambda c=check, s=subject: c.run(s), id=f"{entry.kind}-{check.name}"))
    return pytest.mark.parametrize("check", cases)
