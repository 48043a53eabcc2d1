"""Local plugins by themselves: a file becomes a module, its code runs as it is now, and errors have a place."""

import os
import pickle
import sys

import pytest

from upscaler_core.errors import PluginError
from upscaler_core.plugins.local_plugin import load_file, location


@pytest.fixture
def write(tmp_path):
    """Writes a file of Python, and removes what was loaded from such files afterwards."""
    before = set(sys.modules)

    def write(name, code):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
        return path

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_factory_in_it_is_found_by_its_name(write):
    module = load_file(write("mine.py", "class Thing:\n    pass\n\nfactory = f'{__name__}:Thing'\n"))
    name, _, attribute = module.factory.partition(":")
    assert getattr(sys.modules[name], attribute) is module.Thing
    assert type(pickle.loads(pickle.dumps(module.Thing()))) is module.Thing


def test_files_of_one_name_in_two_folders_are_two_modules(write):
    one, two = (load_file(write(f"{folder}/mine.py", f"VALUE = {folder!r}\n")) for folder in ("a", "b"))
    assert (one.VALUE, two.VALUE) == ("a", "b")
    assert one.__name__ != two.__name__ and {one.__name__, two.__name__} <= set(sys.modules)


def test_a_change_within_one_tick_of_the_clock_is_seen(write):
    path = write("mine.py", "VALUE = 1\n")
    facts = path.stat()
    assert load_file(path).VALUE == 1
    write("mine.py", "VALUE = 2\n")
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert load_file(path).VALUE == 2
    assert [file.name for file in path.parent.iterdir()] == ["mine.py"]  # nothing compiled beside it


def test_the_future_imports_of_this_project_are_not_those_of_the_plugin(write):
    assert load_file(write("mine.py", "def f(x: int): pass\n")).f.__annotations__ == {"x": int}


@pytest.mark.parametrize(
    ("code", "error", "line"),
    [
        ("x = 1\nundefined\n", NameError, 2),
        ("x = 1\n\ndef (:\n", SyntaxError, 3),
        ("import sys\nsys.exit(3)\n", SystemExit, 2),
        ("def f():\n    return 1 / 0\n\nf()\n", ZeroDivisionError, 2),
    ],
)
def test_an_error_has_a_place_and_leaves_no_module(write, code, error, line):
    path = write("broken.py", code)
    before = set(sys.modules)
    with pytest.raises(error) as caught:
        load_file(path)
    assert set(sys.modules) == before
    assert location(caught.value, str(path)) == f"{path}:{line}: "
    assert location(caught.value, "elsewhere.py") == ""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone.py", "cannot be read: No such file or directory"),
        ("mine.txt", "a local plugin is a file of Python, whose name ends in .py"),
        ("folder.py", "cannot be read: Is a directory"),
    ],
)
def test_what_is_no_file_of_python_is_refused(write, name, message):
    folder = write("mine.txt", "x = 1\n").parent
    (folder / "folder.py").mkdir()
    with pytest.raises(PluginError, match=message):
        load_file(folder / name)
