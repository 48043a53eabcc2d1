"""What `doctor` says of extras, and what a shell completes."""

import re
import subprocess
import sys
import tomllib
from importlib import metadata

import pytest
from conftest import ROOT

from upscaler_core.cli import completion, doctor

REQUIRED = {
    "ai-audio-upscaler": [
        "numpy>=1",
        "soxr>=0.5; extra == 'soxr'",
        "absent-one>=1; extra == 'train'",
        "numpy>=9999; extra == 'train'",
        "pytest; extra == 'train'",
        "never; python_version < '3' and extra == 'train'",
        "ai-audio-upscaler[train]; extra == 'tune'",
        "absent-two; extra == 'tune'",
    ]
}


def test_what_an_extra_lacks_is_found_through_other_extras(monkeypatch):
    monkeypatch.setattr(doctor.metadata, "requires", REQUIRED.__getitem__)
    assert doctor.missing_packages("ai-audio-upscaler", "train") == ["absent-one", "numpy"]
    assert doctor.missing_packages("ai-audio-upscaler", "tune") == ["absent-one", "numpy", "absent-two"]
    assert doctor.missing_packages("ai-audio-upscaler", "other") == []


def test_every_extra_has_a_line(upscaler):
    extras = set(metadata.metadata("ai-audio-upscaler").get_all("Provides-Extra"))
    lines = re.findall(r"^extra ([\w-]+): ", upscaler("doctor").stdout, re.MULTILINE)
    assert set(lines) == extras and len(lines) == len(extras)


def test_what_evaluate_and_pictures_need_is_installed_for_users():
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert {"soxr", "matplotlib"} <= {re.split("[<>=]", requirement)[0] for requirement in needed}


@pytest.mark.parametrize(
    ("complete", "incomplete", "words"),
    [
        (completion.preset_names, "", ["baseline", "restore", "whitepaper"]),
        (completion.component_names, "poly", ["poly-sinc-hq"]),
        (completion.model_names, "spectral-c", ["spectral-convnext"]),
        (completion.plugin_names, "sox", ["soxr"]),
        (completion.checkpoint_names, "wave", ["waveform-unet"]),
        (completion.settings, "resampler", ["resampler.use="]),
        (completion.settings, "resampler.use=so", ["resampler.use=soxr"]),
        (completion.settings, "headr", ["headroom="]),
        (completion.settings, "headroom=", []),
    ],
)
def test_words_are_completed(complete, incomplete, words):
    assert [word for word, _ in complete(incomplete)] == words


def test_a_shell_gets_the_presets_without_torch(upscaler):
    code = (
        "import os, sys\nfrom upscaler_core.cli import main\n"
        "try:\n    main([])\nexcept SystemExit:\n    pass\nassert 'torch' not in sys.modules"
    )
    environment = {"_UPSCALER_COMPLETE": "complete_bash", "COMP_WORDS": "upscaler enhance --preset ", "COMP_CWORD": "3"}
    done = upscaler_process(code, upscaler, environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["baseline", "restore", "whitepaper"]


def upscaler_process(code, upscaler, environment):
    """Python code in a process that is called `upscaler`, as the console script is."""
    code = f"import sys; sys.argv[0] = 'upscaler'\n{code}"
    settings = {**upscaler.environment, **environment}
    return subprocess.run([sys.executable, "-c", code], env=settings, capture_output=True, text=True)
