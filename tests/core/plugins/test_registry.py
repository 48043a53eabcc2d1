"""Plugins of every broken sort, installed as a user would meet them: each is named, and the rest works."""

import json
import subprocess
import sys

import pytest
import torch
from conftest import Upscaler, install

from upscaler_core import Component, Kind, Options, Registry, UsageError, hookimpl, option
from upscaler_core.dsp.resample import Resample
from upscaler_core.errors import MissingDependency, OptionError, PluginError, UnknownComponent
from upscaler_core.testing.fakes import Nearest

HEAD = "from upscaler_core import Component, Options, hookimpl\n@hookimpl\n"
OFFER = HEAD + "def upscaler_resamplers():\n    return [Component({}, 'upscaler_core.testing.fakes:Nearest')]\n"

BROKEN = {
    "bad_import": ("import not_there\n", "import", "No module named 'not_there'"),
    "failing_assert": ("assert 1 == 2, 'one is not two'\n", "import", "AssertionError: one is not two"),
    "sys_exit": ("import sys\nsys.exit(3)\n", "import", "SystemExit: 3"),
    "syntax": ("def (:\n", "import", "SyntaxError"),
    "wrong_arguments": (HEAD + "def upscaler_models(x):\n    return []\n", "register", "{'x'}"),
    "misspelt": (HEAD + "def upscaler_resampler():\n    return []\n", "register", "did you mean 'upscaler_resamplers'"),
    "no_hook": ("x = 1\n", "register", "it implements no hook"),
    "raises": (
        HEAD + "def upscaler_models():\n    raise RuntimeError('on fire')\n",
        "declare",
        "RuntimeError: on fire",
    ),
    "exits_late": (HEAD + "def upscaler_models():\n    raise SystemExit\n", "declare", "SystemExit"),
    "no_record": (HEAD + "def upscaler_models():\n    return ['x']\n", "declare", "not a Component"),
    "none": (HEAD + "def upscaler_models():\n    return 3\n", "declare", "TypeError"),
    "no_model": (
        HEAD + "def upscaler_models():\n    return [Component('x', 'a:b', dict)]\n",
        "declare",
        "options must be a subclass of upscaler_core.Options",
    ),
    "newer": (
        "api_version = 3\n" + OFFER.format("'x'"),
        "register",
        "it is made for version 3 of the plugin interface",
    ),
    "bad_version": (
        "api_version = '1'\n" + OFFER.format("'x'"),
        "register",
        "its api_version is '1', not a whole number from 1",
    ),
    "newer_still": (
        "from upscaler_core import Hologram\n",
        "import",
        "it is made for another version of ai-audio-upscaler than this one",
    ),
    "bad_name": (OFFER.format("'My Thing'"), "declare", "not lower-case words"),
    "twice": (
        HEAD + "def upscaler_models():\n    return [Component('x', 'a:b'), Component('x', 'a:b')]\n",
        "declare",
        "returned 'x' twice",
    ),
}


@pytest.fixture(scope="module")
def listing(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    for name, (code, _, _) in BROKEN.items():
        install(folder, name, code)
    install(folder, "good", "api_version = 1\n" + OFFER.format("'good-one'"))
    install(folder, "clash", OFFER.format("'sinc'"))
    install(folder, "twin", OFFER.format("'good-one'"))
    install(folder, "taken", OFFER.format("'other'"))
    points = folder / "upscaler_taken-1.2.dist-info" / "entry_points.txt"
    points.write_text("[upscaler.plugins]\ndsp = upscaler_taken\n")
    gone = "def upscaler_models():\n    return [Component('gone', 'upscaler_core.dsp.noise:Gone')]\n"
    install(folder, "missing_factory", HEAD + gone)
    upscaler = Upscaler(folder, PYTHONPATH=str(folder))
    done = upscaler("plugins", "--json")
    assert done.returncode == 0, done.stderr
    return upscaler, json.loads(done.stdout)["components"]


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_named_with_stage_and_reason(listing, name):
    _, rows = listing
    (row,) = [row for row in rows if row["plugin"] == name]
    _, stage, reason = BROKEN[name]
    assert (row["state"], row["stage"], row["distribution"], row["version"]) == (
        "broken",
        stage,
        f"upscaler-{name}",
        "1.2",
    )
    assert reason in row["reason"]


def test_the_rest_works_and_a_taken_name_is_kept_by_the_built_in(listing):
    upscaler, rows = listing
    names = {row["name"]: row for row in rows if row["kind"] == "resampler"}
    assert names["sinc"]["distribution"] == "ai-audio-upscaler"
    assert names["clash/sinc"]["distribution"] == "upscaler-clash"
    assert {"good/good-one", "twin/good-one", "poly-sinc-hq"} <= set(names)
    (taken,) = [row for row in rows if row["distribution"] == "upscaler-taken"]
    assert (taken["stage"], taken["reason"]) == (
        "register",
        "the plugin name 'dsp' is already taken by ai-audio-upscaler",
    )
    ambiguous = upscaler("plugins", "show", "good-one")
    assert ambiguous.returncode == 0
    assert "good/good-one" in ambiguous.stdout and "twin/good-one" in ambiguous.stdout


@pytest.mark.slow
def test_plugins_check_and_doctor_name_what_is_broken(listing):
    upscaler, _ = listing
    checked = upscaler("plugins", "check", "gone")
    assert checked.returncode == 1
    assert "its factory upscaler_core.dsp.noise:Gone does not exist" in checked.stdout
    doctor = upscaler("doctor")
    assert doctor.returncode == 1
    for name in BROKEN:
        assert f"broken plugin '{name}'" in doctor.stdout
    assert "Traceback" not in doctor.stdout + doctor.stderr


def test_the_plain_listing_is_by_kind_and_names_other_owners(listing):
    upscaler, _ = listing
    done = upscaler("plugins")
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    lines = done.stdout.splitlines()
    assert lines.index("resamplers") < next(i for i, line in enumerate(lines) if line.startswith("  poly-sinc-hq "))
    assert any(line.startswith("  good/good-one ") and "(from upscaler-good 1.2)" in line for line in lines)
    assert "components, part of ai-audio-upscaler" in lines[-1] and "broken at import" in done.stdout


class Settings(Options):
    level: float = option(0.5, unit="dB", ge=0, le=1, help="a level")


class Plugin:
    @hookimpl
    def upscaler_metrics(self):
        return [
            Component("fine", "upscaler_core.testing.fakes:SquaredError", Settings),
            Component("needy", "package_that_is_not_there.x:Y", extra="upscaler-needy[all]"),
            Component("failing", "upscaler_core.testing.fakes:Gain", Settings),
            Component("absent", "upscaler_core.testing.fakes:Nothing"),
        ]


@pytest.fixture(scope="module")
def registry():
    return Registry(points=(), plugins={"p": Plugin()})


def test_names_are_found_with_near_misses(registry):
    assert registry.find(Kind.METRIC, "fine").full_name == "p/fine"
    assert registry.find(Kind.METRIC, "p/fine").component.name == "fine"
    with pytest.raises(UnknownComponent, match="no metric 'fien'; did you mean 'fine'"):
        registry.find(Kind.METRIC, "fien")
    with pytest.raises(UnknownComponent, match="there is none to choose from"):
        registry.find(Kind.LOSS, "fine")


def test_options_are_checked_once_and_all_faults_told(registry):
    with pytest.raises(OptionError) as caught:
        registry.metric("fine", level=3, lvel=1)
    assert str(caught.value) == (
        "fine: level: must be less than or equal to 1, not 3; fine: lvel: unknown key; did you mean 'level'?"
    )


def test_what_cannot_be_built_says_so(registry):
    with pytest.raises(MissingDependency, match=r"p/needy needs .*: pip install 'upscaler-needy\[all\]'"):
        registry.metric("needy")
    with pytest.raises(PluginError, match="p/failing: building it failed: AttributeError"):
        registry.metric("failing")
    with pytest.raises(PluginError, match=r"p/absent: its factory .*Nothing does not exist"):
        registry.metric("absent")


@pytest.mark.parametrize(
    "words",
    [
        ("name with space", "a:b"),
        ("x", "nocolon"),
        ("x", "a:b", dict),
        ("x", "a:b", Options, "", None, (".WAV",)),
        (3, "a:b"),
    ],
)
def test_a_record_of_the_wrong_form_is_refused(words):
    with pytest.raises((ValueError, TypeError)):
        Component(*words)


def test_kinds_have_hooks():
    from upscaler_core.plugins import hookspecs

    assert [kind.hook for kind in Kind] == [name for name in vars(hookspecs) if name.startswith("upscaler_")]


@pytest.mark.parametrize("words", [["--help"], ["plugins"], ["plugins", "show", "poly-sinc-hq"], ["run", "--help"]])
def test_listing_loads_nothing_heavy(words, tmp_path):
    code = (
        "import sys\nfrom upscaler_core.cli import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit as e:\n    assert not e.code, e.code\n"
        "heavy = {'torch', 'torchaudio', 'numpy', 'scipy', 'soundfile', 'soxr', 'pydub', 'optuna'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_importing_the_core_loads_nothing_heavy(tmp_path):
    code = "import sys, upscaler_core, upscaler_dsp.plugin, upscaler_files.plugin\n"
    code += "sys.exit(int(bool({'torch', 'numpy'} & set(sys.modules))))"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path).returncode == 0


def test_rates_must_be_whole(registry):
    for rate in (0, -1, 44_100.5, "44100"):
        with pytest.raises(UsageError, match="whole number of Hz"):
            Resample(Nearest(Options()))(torch.zeros(1, 8), rate, 48_000)
