"""Plugins that are one file, named in a pipeline file or a recipe: off unless allowed, then like any other."""

import json
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
import soundfile as sf
import torch
import yaml
from conftest import ROOT

from upscaler_core import Kind, SpecError, load_pipeline
from upscaler_core.plugins.registry import Registry

pytestmark = pytest.mark.slow  # every test starts the command line, most of them several times

HEAD = "from upscaler_core import Component, Options, Plan, hookimpl\n"
HALF = """
class Half:
    def __init__(self, options):
        pass

    def plan(self, rate):
        return Plan(lambda windows, start: windows / 2, rate // 10, rate // 10, receptive_field=0)

@hookimpl
def upscaler_finishers():
    return [Component("half", f"{__name__}:Half")]
"""
PIPELINE = """version: 1
plugins: [../plugins/my_half.py]
target_rate: 16000
finish: [{use: half}]
"""
ALLOW = "--allow-local-plugins"


@pytest.fixture
def folder(tmp_path):
    """A pipeline file in one folder, the plugin that it names in another, and two recordings."""
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "plugins").mkdir()
    (tmp_path / "pipelines" / "p.yaml").write_text(PIPELINE)
    (tmp_path / "plugins" / "my_half.py").write_text(HEAD + HALF)
    for name in ("a", "b"):
        sf.write(tmp_path / f"{name}.wav", 0.5 * np.sin(np.arange(16_000) / 4), 16_000, subtype="FLOAT")
    return tmp_path


def test_it_runs_in_worker_processes_where_it_is_allowed(upscaler, folder):
    done = upscaler("run", "pipelines/p.yaml", "a.wav", "b.wav", "-o", "out/{stem}.wav", "--jobs", 2, ALLOW)
    assert done.returncode == 0, done.stderr
    for name in ("a.wav", "b.wav"):
        source, _ = sf.read(folder / name)
        result, _ = sf.read(folder / "out" / name)
        np.testing.assert_allclose(result, source / 2, atol=1e-6)
    assert [path.name for path in (folder / "plugins").iterdir()] == ["my_half.py"]


@pytest.mark.parametrize("command", ["run", "check"])
def test_it_is_refused_otherwise_and_nothing_of_it_runs(upscaler, folder, command):
    with (folder / "plugins" / "my_half.py").open("a") as file:
        file.write(f"open({str(folder / 'ran')!r}, 'w')\n")
    done = upscaler(command, "pipelines/p.yaml", *(["a.wav"] if command == "run" else []))
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == (
        "upscaler: pipelines/p.yaml:2:10: plugins: ../plugins/my_half.py would run as code: "
        "if you trust it, add --allow-local-plugins (in Python: allow_local_plugins=True)\n"
    )
    assert not (folder / "ran").exists()
    assert upscaler("check", "pipelines/p.yaml", ALLOW).stdout == "pipelines/p.yaml: ok\n"
    assert (folder / "ran").exists()


def test_it_is_a_setting_too(upscaler, folder):
    words = ["enhance", "a.wav", "-o", "out.wav", "-r", 16_000, "--set", "finish=[{use: half}]", "--set"]
    setting = f"plugins=[{folder / 'plugins' / 'my_half.py'}]"
    refused = upscaler(*words, setting)
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
    assert f"upscaler: --set {setting}: plugins: " in refused.stderr
    done = upscaler(*words, setting, ALLOW)
    assert done.returncode == 0, done.stderr
    assert sf.read(folder / "out.wav")[0].max() == pytest.approx(0.25, abs=1e-3)


BROKEN = {
    "a_name": ("x = 1\nundefined\n", ":2: NameError: name 'undefined' is not defined"),
    "syntax": ("x = 1\n\ndef (:\n", ":3: SyntaxError: "),
    "gives_up": ("import sys\nsys.exit('enough')\n", ":2: SystemExit: enough"),
    "package": ("import not_there\n", ":1: ModuleNotFoundError: No module named 'not_there'"),
    "no_hook": ("x = 1\n", ": it implements no hook; mark its functions with @hookimpl"),
    "hook": (
        HEAD + "@hookimpl\ndef upscaler_metrics():\n    return [Component('Not a Name', 'a:b')]\n",
        ":4: ValueError: component name 'Not a Name' is not lower-case words joined by hyphens",
    ),
    "newer": ("api_version = 3\n" + HEAD + HALF, ": it is made for version 3 of the plugin interface"),
    "dsp": (HEAD + HALF, ": the plugin name 'dsp' is already taken by ai-audio-upscaler"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_one_is_told_in_a_sentence_with_both_places(upscaler, folder, name):
    code, message = BROKEN[name]
    file = folder / "pipelines" / f"{name}.py"
    file.write_text(code)
    (folder / "pipelines" / "p.yaml").write_text(f"version: 1\nplugins:\n  - ./{name}.py\n")
    done = upscaler("check", "pipelines/p.yaml", ALLOW)
    assert (done.returncode, len(done.stderr.splitlines())) == (3, 1)
    assert done.stderr.startswith(f"upscaler: pipelines/p.yaml:3:5: plugins.0: {file}{message}"), done.stderr


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("[gone.py]", "p.yaml:2:11: plugins.0: {folder}/gone.py: cannot be read: No such file or directory"),
        ("[p.yaml]", "p.yaml:2:11: plugins.0: {folder}/p.yaml: a local plugin is a file of Python, whose name ends in"),
        ("gone.py", "p.yaml:2:10: plugins: must be a valid list, not 'gone.py'"),
        ("[3]", "p.yaml:2:11: plugins.0: must be a valid string, not 3"),
    ],
)
def test_what_is_no_plugin_file_is_told(upscaler, folder, written, message):
    (folder / "p.yaml").write_text(f"version: 1\nplugins: {written}\n")
    done = upscaler("check", "p.yaml", ALLOW)
    assert (done.returncode, len(done.stderr.splitlines())) == (3, 1)
    assert done.stderr.startswith("upscaler: " + message.format(folder=folder)), done.stderr


def test_what_fails_when_it_is_built_is_told_with_its_line(upscaler, folder):
    file = folder / "plugins" / "my_half.py"
    file.write_text((HEAD + HALF).replace("        pass\n", "        self.factor = 1 / 0\n"))
    done = upscaler("run", "pipelines/p.yaml", "a.wav", "-o", "out.wav", ALLOW)
    line = file.read_text().splitlines().index("        self.factor = 1 / 0") + 1
    assert done.stderr.endswith(
        f"upscaler: my_half/half: building it failed: {file}:{line}: ZeroDivisionError: division by zero\n"
    )
    assert (done.returncode, (folder / "out.wav").exists()) == (1, False)


def test_in_python_it_is_a_parameter_and_loaded_once(folder):
    registry, path = Registry(), folder / "pipelines" / "p.yaml"
    with pytest.raises(SpecError, match="allow_local_plugins=True"):
        load_pipeline(path, registry)
    pipelines = [load_pipeline(path, registry, allow_local_plugins=True) for _ in range(2)]
    assert [registry.find(Kind.FINISHER, "half").full_name] == ["my_half/half"]
    x = torch.ones(1, 1_600)
    assert torch.equal(pipelines[0](x, 16_000), pipelines[1](x, 16_000))
    assert "half" not in Registry().names(Kind.FINISHER)


def test_the_metric_of_the_documentation_scores_a_pipeline(upscaler, folder, audio):
    """The files in docs/plugins.md, word for word."""
    page = (ROOT / "docs" / "plugins.md").read_text()
    (folder / "my_metric.py").write_text(re.search(r"```python\n# my_metric.py\n(.*?)```", page, re.S)[1])
    (folder / "p.yaml").write_text(re.search(r"```yaml\n(.*?)```", page, re.S)[1])
    (folder / "data").mkdir()
    for part in (0, 1):
        x, rate = sf.read(audio / "speech_kerstin_de_cc0_48k.flac", start=part * 48_000, frames=24_000)
        sf.write(folder / "data" / f"{part}.flac", x, rate)
    words = ["evaluate", "p.yaml", "--data", "data", "--metrics", "peak-error", "--cutoffs", 4000, "--jobs", 2]
    refused = upscaler(*words)
    assert refused.returncode == 3 and "p.yaml:2:10: plugins: " in refused.stderr
    done = upscaler(*words, ALLOW, "--json", "n.json")
    assert done.returncode == 0, done.stderr
    errors = [score["values"]["peak-error"] for score in json.loads((folder / "n.json").read_text())["scores"]]
    assert len(errors) == 6 and all(0 < error < 1 for error in errors)


TRAINED = """
import torch
from upscaler_core import Degraded, Estimate, ModelOptions, load_checkpoint

class Louder(torch.nn.Module):
    rate, length_multiple, receptive_field = 48_000, 1, 1

    def __init__(self, options):
        super().__init__()
        self.options, checkpoint = load_checkpoint(options, "louder", __name__)
        self.gain = torch.nn.Parameter(torch.ones(1))
        if checkpoint:
            checkpoint.into(self)

    def forward(self, baseline, conditions):
        return Estimate(baseline * self.gain)

class Hum:
    def __init__(self, options):
        pass

    def __call__(self, x, rate, generator):
        return Degraded(x + 0.01)

@hookimpl
def upscaler_models():
    return [Component("louder", f"{__name__}:Louder", ModelOptions)]

@hookimpl
def upscaler_degradations():
    return [Component("hum", f"{__name__}:Hum")]
"""


def test_a_recipe_trains_with_one_and_its_pipeline_names_it(upscaler, folder, audio):
    (folder / "recipes").mkdir()
    (folder / "recipes" / "mine.py").write_text(HEAD + TRAINED)
    speech = str(audio / "speech_kerstin_de_cc0_48k.flac")
    recipe = {
        "version": 1, "plugins": ["mine.py"], "data": {"train": [speech], "cache": "cache"}, "seconds": 0.1,
        "excerpts": 4, "batch": 2, "epochs": 1, "workers": 1, "models": {"m": {"use": "louder"}},
        "losses": [{"use": "l1"}], "degradations": [{"use": "hum"}],
    }  # fmt: skip
    (folder / "recipes" / "r.yaml").write_text(yaml.safe_dump(recipe))
    done = upscaler("train", "recipes/r.yaml", "--out", "run", "--device", "cpu", ALLOW)
    assert done.returncode == 0, done.stderr
    (folder / "run").rename(folder / "moved")
    enhanced = upscaler("run", "moved/last/pipeline.yaml", "a.wav", "-o", "out.wav", ALLOW)
    assert enhanced.returncode == 0, enhanced.stderr


def test_the_excerpts_of_a_recipe_find_it_in_a_fresh_process(folder):
    from upscaler_train.data.excerpts import Excerpts
    from upscaler_train.data.recordings import Recording
    from upscaler_train.recipe import RecipeSpec

    (folder / "mine.py").write_text(HEAD + TRAINED)
    recipe = RecipeSpec.model_validate(
        {
            "version": 1, "plugins": [str(folder / "mine.py")], "data": {"train": ["x"]},
            "models": {"m": {"use": "louder"}}, "degradations": [{"use": "hum"}],
        }
    )  # fmt: skip
    samples = (16_000 * np.sin(np.arange(48_000) / 4)).astype("<i2")
    samples.tofile(folder / "x.pcm")
    recording = Recording("x", str(folder / "x.pcm"), 48_000, 1, 1.0, 24_000.0)
    excerpts = Excerpts(recipe, [recording], 48_000, 4_800)
    (folder / "excerpts").write_bytes(pickle.dumps(excerpts))
    code = "import pickle, sys; e = pickle.load(open('excerpts', 'rb'))[0]; print(float((e.baseline).mean()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(0.01, abs=2e-3)
