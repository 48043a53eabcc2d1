"""`upscaler plugins new`. That what it writes installs, runs and passes its tests is seen by `.ci/plugins`."""

import tomllib

import pytest

from upscaler_core import Kind, OutputError
from upscaler_core.cli import scaffold

REFUSED = [
    ("Soft Clip", "finisher", 2, "'Soft Clip' cannot be a plugin's name: write lower-case words joined by hyphens"),
    ("2x", "finisher", 2, "'2x' cannot be a plugin's name"),
    ("../up", "finisher", 2, "'../up' cannot be a plugin's name"),
    ("off", "finisher", 2, "'off' cannot be a plugin's name"),
    ("sinc", "resampler", 2, "there is a resampler 'sinc' already: choose another name"),
    ("doctor", "command", 2, "there is a command 'doctor' already: choose another name"),
    ("core", "finisher", 2, "there is a plugin or package 'core' already: choose another name"),
    ("soft-clip", "finsher", 2, "--kind finsher: there is no such kind; did you mean 'finisher'?"),
    ("x" * 300, "finisher", 1, "cannot be written: File name too long"),
    ("taken", "finisher", 1, "upscaler-plugin-taken exists already: choose another name, or move it away"),
]


@pytest.mark.parametrize(("name", "kind", "code", "sentence"), REFUSED, ids=lambda value: str(value)[:20])
def test_what_cannot_be_written_is_refused_in_a_sentence(upscaler, name, kind, code, sentence):
    (upscaler.folder / "upscaler-plugin-taken").mkdir()
    done = upscaler("plugins", "new", name, "--kind", kind)
    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr and done.stderr.count("\n") == 1
    assert [path.name for path in upscaler.folder.rglob("*")] == ["upscaler-plugin-taken"]


def test_the_next_steps_are_told(upscaler):
    done = upscaler("plugins", "new", "soft-clip", "--kind", "finisher")
    assert done.returncode == 0, done.stderr
    for step in (
        "cd upscaler-plugin-soft-clip",
        "pip install -e '.[dev]'",
        "upscaler plugins show soft-clip",
        "pytest",
    ):
        assert f"\n  {step}" in done.stdout
    folder = upscaler.folder / "upscaler-plugin-soft-clip"
    assert (folder / "src/upscaler_soft_clip/finisher.py").exists()
    assert list(upscaler.folder.iterdir()) == [folder]


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_all_that_a_package_needs(kind, tmp_path):
    folder = tmp_path / "upscaler-plugin-soft-clip"
    files = {str(path) for path in scaffold.write(folder, "soft-clip", kind)}
    assert files == {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files >= {
        "pyproject.toml", "README.md", "CONTRIBUTING.md", ".gitignore", ".github/workflows/test.yml",
        "src/upscaler_soft_clip/__init__.py", "src/upscaler_soft_clip/plugin.py", f"src/upscaler_soft_clip/{kind}.py",
        "tests/test_contract.py", f"tests/test_{kind}.py",
    }  # fmt: skip
    assert "example" not in "".join(path.read_text() for path in folder.rglob("*") if path.is_file())
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["upscaler.plugins"] == {"soft-clip": "upscaler_soft_clip.plugin"}


def test_a_name_may_hold_the_word_that_templates_have_for_it(tmp_path):
    scaffold.write(tmp_path / "x", "my-example", Kind.LOSS)
    point = tomllib.loads((tmp_path / "x" / "pyproject.toml").read_text())["project"]["entry-points"]
    assert point == {"upscaler.plugins": {"my-example": "upscaler_my_example.plugin"}}


def test_a_folder_that_cannot_be_finished_is_absent(tmp_path, monkeypatch):
    def fails(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.rename", fails)
    with pytest.raises(OutputError, match="cannot be written: No space left"):
        scaffold.write(tmp_path / "x", "x", Kind.LOSS)
    assert list(tmp_path.iterdir()) == []
