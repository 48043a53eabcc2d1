"""UPSCALER_TRACE=1 prints each hook call to standard error, and changes nothing else."""

import re

import pytest
from conftest import Upscaler, install

LINE = re.compile(r"^trace: +\d+\.\d{3} ms (\w+) (upscaler_\w+)( raised \w+)?$", re.M)
GOOD = """
from upscaler_core import Component, hookimpl

@hookimpl
def upscaler_resamplers():
    return [Component("nearest", "upscaler_core.testing.fakes:Nearest")]
"""
RAISES = """
from upscaler_core import hookimpl

@hookimpl
def upscaler_models():
    raise RuntimeError("on fire")
"""


@pytest.fixture
def upscaler(tmp_path):
    install(tmp_path, "good", GOOD)
    install(tmp_path, "bad", RAISES)
    return Upscaler(tmp_path, PYTHONPATH=str(tmp_path))


def test_each_hook_call_is_a_line_on_standard_error(upscaler):
    plain = upscaler("plugins", "--json")
    upscaler.environment["UPSCALER_TRACE"] = "1"
    traced = upscaler("plugins", "--json")
    assert (traced.returncode, traced.stdout, plain.stderr) == (0, plain.stdout, "")
    calls = LINE.findall(traced.stderr)
    assert len(calls) == len(traced.stderr.splitlines())
    assert ("good", "upscaler_resamplers", "") in calls
    assert ("dsp", "upscaler_finishers", "") in calls
    assert ("bad", "upscaler_models", " raised RuntimeError") in calls


def test_an_empty_value_turns_it_off(upscaler):
    upscaler.environment["UPSCALER_TRACE"] = ""
    assert upscaler("plugins", "--json").stderr == ""
