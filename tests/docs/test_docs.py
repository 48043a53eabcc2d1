"""The documentation is what the program does."""

import inspect
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from runpy import run_path

import pytest
from conftest import ROOT, Upscaler

from upscaler_core import Kind, discover
from upscaler_core.cli.scaffold import host_requirement
from upscaler_core.pipeline.loading import check, load
from upscaler_core.pipeline.yaml_document import parse
from upscaler_core.plugins import hookspecs
from upscaler_core.plugins.compatibility import EXPORTS

PLUGINS = {path.parent.name for path in (ROOT / "plugins").glob("*/__init__.py")}
"""The packages of the built-in plugins."""


@pytest.mark.slow
def test_the_cli_page_is_the_real_help():
    page = run_path(str(ROOT / "tools" / "docs" / "cli.py"))["page"]
    assert (ROOT / "docs" / "cli.md").read_text() == page(), "run: python tools/docs/cli.py > docs/cli.md"


@pytest.mark.parametrize("kind", Kind)
def test_every_hook_is_documented_with_its_arguments(kind):
    hook = getattr(hookspecs, kind.hook)
    signature = ", ".join(inspect.signature(hook).parameters)
    assert f"### `{kind.hook}({signature})`" in (ROOT / "docs" / "plugins.md").read_text()
    assert ">>> @hookimpl" in hook.__doc__


def test_every_link_leads_somewhere():
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert link.startswith("http") or (page.parent / link).exists(), f"{page.name}: {link}"


def test_every_file_that_a_page_names_is_there():
    folders = r"\b(?:upscaler_core|plugins|tests/\w+|benchmarks|examples|tools)/[\w/.-]+\w"
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for path in re.findall(folders, page.read_text()):
            assert (ROOT / path).exists(), f"{page.name}: {path}"


def test_the_pages_import_nothing_by_an_old_name():
    for page in {*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")} - {ROOT / "docs" / "compatibility.md"}:
        for names in re.findall(r"from upscaler_core import (.+)", page.read_text()):
            assert not EXPORTS.keys() & set(re.findall(r"\w+", names)), page.name


def test_the_changelog_has_every_old_name():
    text = (ROOT / "CHANGELOG.md").read_text()
    for old, renamed in EXPORTS.items():
        assert f"| `{old}` | `{renamed.new}` |" in text, old


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted((ROOT / "examples" / "pipelines").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_example_pipeline_is_right_and_runs(path, upscaler):
    load(path, discover())
    done = upscaler("run", path, "-o", upscaler.folder / "out/", "--set", "output=null")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_python_example_runs(tmp_path):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    done = subprocess.run([sys.executable, "examples/assemble.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "with a model: (132300,)" in done.stdout


@pytest.mark.parametrize(
    ("page", "rate"), [("README.md", 96_000), ("docs/pipeline.md", 96_000), ("docs/tutorial.md", 48_000)]
)
def test_the_pipeline_files_in_the_documentation_are_right(page, rate):
    (text,) = re.findall(r"```yaml\n(.*?)```", (ROOT / page).read_text(), re.S)
    if page == "docs/pipeline.md":
        text = re.sub(r"(?m)^(models|fusion):.*\n(  .*\n)*", "", text)  # these name models that do not ship
    assert check(parse(text, page), discover()).target_rate == rate


def options_by_command() -> dict[str, set[str]]:
    """The options of each command, from the page of the command line."""
    sections = re.split(r"(?m)^## `(upscaler.*)`$", (ROOT / "docs" / "cli.md").read_text())[1:]
    known = {
        command: set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", text))
        for command, text in zip(sections[::2], sections[1::2], strict=True)
    }
    return known | {"upscaler enhance": known["upscaler enhance"] | known["upscaler run"]}


def test_every_option_that_a_page_types_exists():
    known = options_by_command()
    pages = {ROOT / "README.md", *(ROOT / "docs").glob("*.md")} - {ROOT / "docs" / "cli.md"}
    typed = [(page, line) for page in pages for line in re.findall(r"\bupscaler [a-z][^`\n#]*", page.read_text())]
    for page, line in typed:
        command = max((name for name in known if f"{line} ".startswith(f"{name} ")), key=len)
        for option in re.findall(r"(?<= )--?[a-z][a-z-]*", re.sub(r"'.*?'", "", line)):
            assert option in known[command], f"{page.name}: {line}"
    assert len(typed) > 100


@pytest.mark.slow
def test_the_plugin_of_the_tutorial_works(tmp_path):
    """The two files in docs/plugins.md, word for word: installed, run, its contract kept."""
    page = (ROOT / "docs" / "plugins.md").read_text()
    (settings,) = re.findall(r"```toml\n# pyproject.toml\n(.*?)```", page, re.S)
    (code,) = re.findall(r"```python\n# upscaler_hello.py\n(.*?)```", page, re.S)
    assert len([line for line in code.splitlines() if line]) == 10
    project = tomllib.loads(settings)["project"]
    (tmp_path / "upscaler_hello.py").write_text(code)
    info = tmp_path / "upscaler_hello-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    ((group, points),) = project["entry-points"].items()
    (info / "entry_points.txt").write_text(f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in points.items()))
    upscaler = Upscaler(tmp_path, PYTHONPATH=str(tmp_path))
    for words, answer in (("hello world", "hello world\n"), ("plugins check hello", "command hello: ok\n")):
        assert f"$ upscaler {words}\n{answer}" in page
        done = upscaler(*words.split())
        assert (done.returncode, done.stdout) == (0, answer), done.stderr


def test_what_a_new_plugin_prints_is_as_documented(upscaler):
    page = (ROOT / "docs" / "plugins.md").read_text()
    done = upscaler("plugins", "new", "soft-clip", "--kind", "finisher")
    printed = done.stdout.replace(host_requirement(), "/home/you/ai-audio-upscaler")
    assert f"$ upscaler plugins new soft-clip --kind finisher\n{printed}```" in page


def test_no_core_file_names_a_plugin():
    names = PLUGINS - {kind.hook for kind in Kind}
    for path in (ROOT / "upscaler_core").rglob("*.py"):
        assert not names & set(re.findall(r"\w+", path.read_text())), path


def test_every_built_in_is_in_the_wheel_and_the_contracts():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = {Path(p).name for p in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]}
    modules = {value.split(".")[0] for value in project["project"]["entry-points"]["upscaler.plugins"].values()}
    rules = {rule["type"]: rule for rule in project["tool"]["importlinter"]["contracts"]}
    forbidden, independent = set(rules["forbidden"]["forbidden_modules"]), set(rules["independence"]["modules"])
    roots = set(project["tool"]["importlinter"]["root_packages"])
    assert PLUGINS == modules == forbidden == independent
    assert PLUGINS | {"upscaler_core"} == packages == roots
