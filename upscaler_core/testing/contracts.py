"""Runs contracts. Every check has a name and says what the protocol asks; a failed check also says what was seen.

A plugin tests its component with one decorator:

    from upscaler_core.testing import contract_tests

    @contract_tests("poly-sinc-hq", dsp_quality="fast")
    def test_contract(check):
        check()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upscaler_core.errors import UnknownComponent
from upscaler_core.models.checkpoint import CheckpointOptions
from upscaler_core.plugins.components import Component, Kind, Options, suggest, validate
from upscaler_core.plugins.registry import Entry, Registry, discover
from upscaler_core.testing.rules import CHECKS, Check, ContractBroken, Subject

if TYPE_CHECKING:
    import pytest


def checks_of(kind: Kind) -> list[Check]:
    """The contract of one kind."""
    from upscaler_core.testing import checks  # noqa: F401 - fills CHECKS

    return [check for check in CHECKS if check.kind == kind]


def _options(component: Component, values: dict[str, Any]) -> Options:
    """Checked options. A contract is about code, so a model is untrained unless the author names a checkpoint."""
    untrained = {"checkpoint": "none"} if issubclass(component.options, CheckpointOptions) else {}
    return validate(component, {**untrained, **values})


def contract_failures(registry: Registry, entry: Entry, **options: Any) -> list[str]:
    """Run all checks of a component's contract.

    Returns:
        A sentence for each broken rule.

    Raises:
        UpscalerError: the component cannot be built.
    """
    subject = Subject(registry, entry, _options(entry.component, options))
    _ = subject.built
    failures = []
    for check in checks_of(entry.kind):
        try:
            check.run(subject)
        except ContractBroken as broken:
            failures.append(str(broken))
    return failures


def contract_tests(
    name: str, kind: Kind | str | None = None, registry: Registry | None = None, **options: Any
) -> pytest.MarkDecorator:
    """Parametrize a test over the checks of a component's contract.

    Args:
        name: the component's name, or `plugin/name`.
        kind: needed only if two kinds have a component of that name.
        registry: by default, that of all installed plugins.
        options: the component's options.

    Raises:
        UnknownComponent: the component is not installed.
    """
    import pytest

    registry = registry or discover()
    entries = [
        entry
        for entry in registry.entries
        if name in (entry.component.name, entry.full_name) and kind in (None, entry.kind)
    ]
    if not entries:
        known = [entry.component.name for entry in registry.entries]
        raise UnknownComponent(
            f"there is no component '{name}' to test: is its plugin installed? "
            f"{suggest(name, known)}{registry.unavailable_note()}"
        )
    cases = []
    for entry in entries:
        subject = Subject(registry, entry, _options(entry.component, options))
        for check in checks_of(entry.kind):
            cases.append(pytest.param(lambda c=check, s=subject: c.run(s), id=f"{entry.kind}-{check.name}"))
    return pytest.mark.parametrize("check", cases)
