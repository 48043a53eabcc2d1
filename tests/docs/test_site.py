"""The pages of the site are what the code says, and name what is there."""

import re
from importlib import import_module
from runpy import run_path

import pytest
from conftest import ROOT

from upscaler_core import Kind, Registry, discover
from upscaler_core.testing import contract_failures

DOCS = ROOT / "docs"
TOOLS = ROOT / "tools" / "docs"
SECTIONS = """
    1.1 1.2 2.1 2.2.1 2.2.2 2.2.3 2.2.4 3.1 3.2 3.3.1 3.3.2 3.3.3 3.4 4.1 4.2 5.1 5.2 6.1 6.2 6.3 7.1 7.2 8.1 9.1 9.2 9.3
    10.1 10.2 11
"""
"""The white paper's."""


def test_the_page_of_components_is_what_their_options_say():
    page = run_path(str(TOOLS / "components.py"))["page"]()
    assert (DOCS / "components.md").read_text() == page, "run: python tools/docs/components.py > docs/components.md"


def test_the_pages_of_hooks_are_what_the_code_says():
    pages = run_path(str(TOOLS / "hooks.py"))["pages"]()
    assert {path: path.read_text() for path in DOCS.glob("hooks/*.md")} == pages, "run: python tools/docs/hooks.py"


@pytest.mark.parametrize("kind", Kind)
def test_the_example_of_a_hook_s_page_keeps_its_contract(kind, tmp_path, monkeypatch):
    package = f"upscaler_{kind}_on_page"
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "hooks" / f"{kind.plural}.md").read_text(), re.S)
    (tmp_path / package).mkdir()
    for name, code in zip(("plugin", kind), blocks[-2:], strict=True):
        (tmp_path / package / f"{name}.py").write_text(code.replace("upscaler_example", package))
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry(points=(), plugins={"page": import_module(f"{package}.plugin")})
    (entry,) = registry.entries
    assert entry.kind == kind
    assert contract_failures(registry, entry) == []


def mapped(heading: str) -> list[str]:
    """The cells of a column of the white paper's map, row by row."""
    rows = re.findall(r"(?m)^\| (\d.*) \|$", (DOCS / "whitepaper.md").read_text())
    column = ("section", "component", "command", "tests").index(heading)
    return [row.split(" | ")[column] for row in rows]


def test_the_map_has_every_section_of_the_white_paper():
    numbers = " ".join(re.match(r"[\d., ]+", cell)[0].replace(",", "") for cell in mapped("section"))
    assert set(numbers.split()) == set(SECTIONS.split())


def test_the_map_names_components_commands_and_tests_that_are_there():
    known = {entry.component.name for entry in discover().entries}
    assert set(re.findall(r"`(.*?)`", " ".join(mapped("component")))) <= known
    headings = re.findall(r"## `(upscaler .*?)`", (DOCS / "cli.md").read_text())
    for command in mapped("command"):
        assert command.startswith(tuple(f"`{heading}" for heading in headings)), command
    for file, test in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", " ".join(mapped("tests"))):
        assert f"\ndef {test}(" in (ROOT / file).read_text(), f"{file}::{test}"


def test_every_ready_made_file_is_on_its_page():
    page = (DOCS / "recipes.md").read_text()
    for folder in ("upscaler_core/pipeline/presets", "examples/pipelines", "examples/recipes"):
        files = [path.relative_to(ROOT) for path in (ROOT / folder).glob("*.yaml")]
        assert files and all(f"(../{path})" in page for path in files)


def test_the_structure_is_drawn_as_the_imports_are():
    script = run_path(str(TOOLS / "structure.py"))
    assert (DOCS / "pictures" / "structure.svg").read_text() == script["picture"](), (
        "run: python tools/docs/structure.py"
    )
    assert (DOCS / "design.md").read_text() == script["page"](), "run: python tools/docs/structure.py"


def test_the_size_of_the_core_on_the_page_is_its_size():
    (page,) = re.findall(r"The core is about ([\d,]+) lines of code", (DOCS / "design.md").read_text())
    lines = run_path(str(TOOLS / "structure.py"))["core_lines"]()
    assert int(page.replace(",", "")) == pytest.approx(lines, rel=0.1)


def test_lines_of_code_are_counted_without_comments_and_docstrings(tmp_path):
    file = tmp_path / "module.py"
    file.write_text('"""Text\nof two lines."""\n\n# a comment\nX = """a\nb"""\n"""What X is."""\n\nprint(X)  # yes\n')
    assert run_path(str(TOOLS / "structure.py"))["code_lines"](file) == 3
