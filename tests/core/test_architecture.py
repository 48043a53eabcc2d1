"""The structure of the code: which module imports which, and what the core may not know."""

import ast
import functools
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest
from conftest import ROOT

import upscaler_core
from upscaler_core import Kind, discover
from upscaler_core.plugins.compatibility import EXPORTS

PACKAGES = ["upscaler_core", *sorted(path.name for path in (ROOT / "plugins").iterdir() if path.name[0] == "u")]
LEVELS = 7
"""Levels of rooms in the core, at most. A room is a direct child of `upscaler_core`."""


@functools.cache
def import_graph() -> grimp.ImportGraph:
    """Every import counts: those within functions and those for type checkers too."""
    return grimp.build_graph(*PACKAGES, cache_dir=None)


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def room_graph() -> dict[str, set[str]]:
    """Which rooms of the core each room imports."""
    graph = import_graph()
    modules = [m for m in graph.modules if m.startswith("upscaler_core.")]
    rooms: dict[str, set[str]] = {room(module): set() for module in modules}
    for module in modules:
        for imported in graph.find_modules_directly_imported_by(module):
            if imported.startswith("upscaler_core.") and room(imported) != room(module):
                rooms[room(module)].add(room(imported))
    return rooms


@pytest.mark.parametrize("package", PACKAGES)
def test_no_two_modules_import_each_other_directly_or_round_about(package):
    graph = import_graph()
    modules = [m for m in graph.modules if m == package or m.startswith(f"{package}.")]
    imports = {m: graph.find_modules_directly_imported_by(m) for m in modules}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(f"these modules import each other: {' -> '.join(error.args[1])}")


def test_the_rooms_of_the_core_stand_on_few_levels_and_no_arrow_goes_up():
    rooms = room_graph()

    @functools.cache
    def level(name: str) -> int:
        return 1 + max((level(imported) for imported in rooms[name]), default=0)

    tuple(TopologicalSorter(rooms).static_order())  # raises where rooms import each other
    assert max(map(level, rooms)) <= LEVELS, {name: level(name) for name in rooms}
    assert len(rooms) <= 12
    assert level("errors") == 1 and level("cli") == max(map(level, rooms))


def test_a_circle_would_be_seen(tmp_path, monkeypatch):
    package = tmp_path / "circular"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "a.py").write_text("def f():\n    from circular import b\n")
    (package / "b.py").write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from circular.a import f\n")
    monkeypatch.syspath_prepend(tmp_path)
    graph = grimp.build_graph("circular", cache_dir=None)
    with pytest.raises(CycleError):
        TopologicalSorter({m: graph.find_modules_directly_imported_by(m) for m in graph.modules}).prepare()


def test_the_public_face_is_small_and_everything_on_it_exists():
    assert len(upscaler_core.__all__) <= 32
    for name in upscaler_core.__all__:
        assert getattr(upscaler_core, name) is not None
    assert not set(EXPORTS) & set(upscaler_core.__all__)


def strings_of(path: Path) -> set[str]:
    """Every string in a module's code, docstrings and the strings below attributes left out."""
    tree = ast.parse(path.read_text())
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in documentation)
    return {node.value for node in constants if isinstance(node.value, str)}


def test_the_core_names_no_component():
    """A component's name that is also an English word or a kind, such as `none`, is not what is meant."""
    common = {*Kind, "linear", "noise", "metric", "level", "stereo", "soundfile", "ffmpeg"}
    names = {entry.component.name for entry in discover().entries if entry.plugin.built_in} - common
    core = ROOT / "upscaler_core"
    for path in core.rglob("*.py"):
        if path.relative_to(core).parts[0] != "testing" and "templates" not in path.parts:
            assert not names & strings_of(path), f"{path} names {names & strings_of(path)}"
