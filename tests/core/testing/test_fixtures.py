"""The fixtures that plugin authors get."""

import pytest
import torch

from upscaler_core import Component, Kind, hookimpl
from upscaler_core.testing import contract_failures
from upscaler_core.testing import tiny_model as tiny

pytest_plugins = ["upscaler_core.testing.plugin"]


class Mine:
    @hookimpl
    def upscaler_models(self):
        return [Component("mine", "core.testing.test_fixtures:build", summary="the tiny model")]


def build(options):
    return tiny.trained()


def test_a_hermetic_registry_has_the_fakes_and_what_is_given(hermetic_registry):
    registry = hermetic_registry(mine=Mine())
    assert {plugin.name for plugin in registry.plugins} == {"fakes", "mine"}
    assert "mine" in registry.names(Kind.MODEL)
    assert registry.names(Kind.RESAMPLER) == ["nearest"]


def test_signals_are_a_second_of_stereo(signal):
    assert (tuple(signal.shape), signal.dtype) == ((2, 48_000), torch.float32)
    assert 0 <= float(signal.abs().max()) <= 1


def test_speech_is_real_and_each_test_has_its_own(speech):
    assert tuple(speech.shape) == (1, 48_000)
    assert 0.1 < float(speech.abs().max()) < 1
    speech.zero_()
    assert float(tiny.speech().abs().max()) > 0.1


def test_the_tiny_model_has_learned(tiny_model):
    baseline, target = tiny.pair()
    conditions = tiny.conditions()
    with torch.no_grad():
        reached = tiny.distance(tiny_model(baseline, conditions).waveform, target)
        untrained = tiny.distance(tiny.Tiny()(baseline, conditions).waveform, target)
    assert reached < 0.9 * tiny.distance(baseline, target)
    assert reached < 0.9 * untrained


def test_the_tiny_model_keeps_the_contract(hermetic_registry):
    registry = hermetic_registry(mine=Mine())
    assert contract_failures(registry, registry.find(Kind.MODEL, "mine")) == []


@pytest.mark.slow
def test_a_project_is_a_folder_with_a_recording_in_which_upscaler_runs(project):
    done = project("inspect", "speech.flac", "--json")
    assert done.returncode == 0, done.stderr
    assert '"file": "speech.flac"' in done.stdout
