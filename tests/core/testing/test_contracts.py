"""Every built-in and every fake keeps its contract; for a component that does not, the checks name the broken rule."""

from contextlib import nullcontext
from importlib.util import find_spec
from runpy import run_path
from shutil import which

import pytest
from conftest import ROOT
from core.testing.mutants import MUTANTS

from upscaler_core import Component, Kind, Registry, discover, hookimpl
from upscaler_core.errors import MissingDependency, UnknownComponent
from upscaler_core.testing import contract_failures, contract_tests, fakes
from upscaler_core.testing.contracts import checks_of

FAKES = {"cross": {"magnitude": "a", "phase": "b"}}


@pytest.mark.slow
@pytest.mark.parametrize("entry", discover().entries, ids=lambda entry: f"{entry.kind}-{entry.component.name}")
def test_built_ins(entry):
    extra = (entry.component.extra or "[sys]").partition("[")[2].rstrip("]")
    module = {"train": "accelerate"}.get(extra, extra)
    absent = find_spec(module) is None or (entry.component.name in ("aac", "ffmpeg") and not which("ffprobe"))
    with pytest.raises(MissingDependency, match="install") if absent else nullcontext():
        assert contract_failures(discover(), entry) == []


@pytest.mark.parametrize("kind", Kind)
def test_fakes(fake_registry, kind):
    entries = fake_registry.of(kind)
    assert entries and checks_of(kind)
    for entry in entries:
        assert contract_failures(fake_registry, entry, **FAKES.get(entry.component.name, {})) == []


@contract_tests("poly-sinc-hq", dsp_quality="fast")
def test_the_decorator(check):
    check()


def mutant(case):
    """A registry of the fakes and one mutant, and the mutant's entry."""

    class Plugin:
        pass

    component = Component("mutant", f"core.testing.mutants:{case.factory.__name__}", suffixes=case.suffixes)
    setattr(Plugin, case.kind.hook, hookimpl(lambda self: [component], specname=case.kind.hook))
    registry = Registry(points=(), plugins={"fakes": fakes.plugin, "mutants": Plugin()})
    return registry, registry.find(case.kind, "mutant")


@pytest.mark.parametrize("case", MUTANTS, ids=lambda case: case.factory.__name__)
def test_a_mutant_is_found_by_the_checks_of_what_it_breaks(case):
    failures = contract_failures(*mutant(case))
    assert {failure.partition(": ")[0] for failure in failures} == case.checks, "\n".join(failures)


def test_every_check_finds_a_mutant():
    """So no check is without effect: a new one needs a component that breaks its rule."""
    broken = {(case.kind, check) for case in MUTANTS for check in case.checks}
    assert {(check.kind, check.name) for kind in Kind for check in checks_of(kind)} == broken


def test_a_failure_says_what_was_asked_and_what_was_seen():
    (case,) = (case for case in MUTANTS if case.factory.__name__ == "HalfRate")
    assert contract_failures(*mutant(case)) == [
        "attributes: asked: rate and length_multiple are positive whole numbers, receptive_field is one, 0 or None; "
        "seen: rate 48000.5, length_multiple 1, receptive_field 0"
    ]


def test_a_component_that_is_not_there_is_told_with_what_is_meant(fake_registry):
    with pytest.raises(UnknownComponent, match="is its plugin installed\\? did you mean 'mirror'"):
        contract_tests("miror", registry=fake_registry)


def test_the_page_of_contracts_is_what_the_checks_say():
    page = run_path(str(ROOT / "tools" / "docs" / "contracts.py"))["page"]()
    assert (ROOT / "docs" / "contracts.md").read_text() == page, (
        "run: python tools/docs/contracts.py > docs/contracts.md"
    )
