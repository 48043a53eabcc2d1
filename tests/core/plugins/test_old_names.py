"""A plugin that was written for version 0.1, by the names of that version, works as before and only warns."""

import types
import warnings

import pytest
import torch

from upscaler_core import Degraded, Kind, Pipeline, Registry
from upscaler_core.dsp.resample import Resample
from upscaler_core.errors import UpscalerError
from upscaler_core.testing import contract_failures, fakes, signals

OLD = """
import torch
from upscaler_core import (
    Component, Conditions, EnhancementModel, Estimate, Finisher, FusionStrategy, Grid, Options, Plan, hookimpl, stft
)

GRID = Grid(n_fft=512, hop=128)

class Waveform:
    rate, granule, reach = 48_000, 128, 0

    def __init__(self, options: Options) -> None:
        pass

    def __call__(self, baseline: torch.Tensor, about: Conditions) -> Estimate:
        n = about.start[:, None, None] + torch.arange(baseline.shape[-1])
        return Estimate(baseline * (1.5 - n % 2))

class Spectral:
    rate, granule, reach = 48_000, GRID.hop, None

    def __init__(self, options: Options) -> None:
        pass

    def __call__(self, baseline: torch.Tensor, about: Conditions) -> Estimate:
        return Estimate(log_magnitude=stft(baseline, GRID).abs().clamp(min=1e-7).log(), grid=GRID)

class First:
    reach = 0

    def __init__(self, options: Options) -> None:
        pass

    def __call__(self, estimates, baseline: torch.Tensor, about: Conditions) -> torch.Tensor:
        return next(iter(estimates.values())).waveform.clone()

class Smooth:
    def __init__(self, options: Options) -> None:
        pass

    def plan(self, rate: int) -> Plan:
        mean = lambda windows, start: (windows[:, :-2] + windows[:, 1:-1] + windows[:, 2:]) / 3
        plan = Plan(mean, 4_800, 4_800, reach=1)
        assert plan.reach == 1
        return plan

def offer(name, cls):
    return [Component(name, f"{__name__}:{cls}")]

@hookimpl
def upscaler_models():
    return offer("waveform", "Waveform") + offer("spectral", "Spectral")

@hookimpl
def upscaler_fusions():
    return offer("first", "First")

@hookimpl
def upscaler_finishers():
    return offer("smooth", "Smooth")
"""
NEW = {
    "granule": "length_multiple",
    "reach": "receptive_field",
    "Grid": "StftConfig",
    "about": "conditions",
    " EnhancementModel,": "",
    " Finisher,": "",
    " FusionStrategy,": "",
}


@pytest.fixture
def registry_of(tmp_path):
    """Makes a registry of the fakes and of one local plugin."""

    def make(name, code):
        (tmp_path / f"{name}.py").write_text(code)
        return Registry(points=(), plugins={"fakes": fakes.plugin}).add_files([tmp_path / f"{name}.py"])

    return make


def pipeline(registry, **models):
    built = {name: registry.model(use) for name, use in models.items()}
    return Pipeline(
        Resample(fakes.Nearest(fakes.Options())),
        48_000,
        built,
        registry.fusion("first"),
        finish=[registry.finisher("smooth")],
        cutoff_hz=8_000,
    )


def renamed(code):
    for old, new in NEW.items():
        code = code.replace(old, new)
    return code


@pytest.mark.parametrize("models", [{"a": "waveform"}, {"a": "waveform", "b": "spectral"}], ids=["one", "two"])
def test_a_pipeline_of_it_gives_the_same_samples_and_only_warns(registry_of, models):
    x = signals.gapped(48_000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the new names warn of nothing
        expected = pipeline(registry_of("new", renamed(OLD)), **models)(x, 48_000)
    with pytest.warns(DeprecationWarning, match="is now called") as caught:
        result = pipeline(registry_of("old", OLD), **models)(x, 48_000)
    assert torch.equal(result, expected)
    assert not torch.equal(result, x)
    messages = {str(warning.message).partition(";")[0] for warning in caught}
    assert {
        "upscaler_core.Grid is now called upscaler_core.StftConfig",
        "upscaler_core.Finisher is now called upscaler_core.plugins.Finisher",
        "Waveform.granule is now called length_multiple",
        "Waveform.reach is now called receptive_field",
        "First.reach is now called receptive_field",
        "Plan(reach=) is now called receptive_field",
        "Plan.reach is now called receptive_field",
    } <= messages
    assert {warning.category for warning in caught} == {DeprecationWarning}


@pytest.mark.parametrize(
    ("kind", "name", "old"),
    [
        (Kind.MODEL, "waveform", "Waveform.granule"),
        (Kind.MODEL, "spectral", "Spectral.reach"),
        (Kind.FINISHER, "smooth", "Plan(reach=)"),
    ],
)
def test_it_keeps_the_contract(registry_of, kind, name, old):
    with pytest.warns(DeprecationWarning, match="upscaler_core.* is now called"):
        registry = registry_of("old", OLD)
    with pytest.warns(DeprecationWarning, match="is now called") as caught:
        failures = contract_failures(registry, registry.find(kind, name))
    assert any(str(warning.message).startswith(f"{old} is now called") for warning in caught)
    assert failures == []


def test_a_name_that_never_was_is_still_an_error(registry_of):
    with pytest.raises(UpscalerError, match="cannot import name 'Gird'"):
        registry_of("wrong", "from upscaler_core import Gird\n")


def test_the_old_name_of_a_requested_interrupt_works():
    from upscaler_core.cli import Interrupt

    with pytest.warns(DeprecationWarning, match="asked is now called requested"):
        assert Interrupt().asked is False


def test_the_parameters_of_a_degradation_have_their_old_name_too():
    audio = torch.zeros(1, 4)
    with pytest.warns(DeprecationWarning, match=r"Degraded\(drawn=\) is now called parameters"):
        degraded = Degraded(audio, drawn={"level_db": -3.0})
    assert degraded == Degraded(audio, None, {"level_db": -3.0})
    with pytest.warns(DeprecationWarning, match="drawn is now called parameters"):
        assert degraded.drawn == {"level_db": -3.0}
    assert dict(Degraded(audio).parameters) == {}


def test_old_names_of_attributes_are_not_needed_beside_the_new_ones():
    from upscaler_core.plugins.compatibility import length_multiple, receptive_field

    both = types.SimpleNamespace(granule=1, reach=2, length_multiple=3, receptive_field=None)
    assert (length_multiple(both), receptive_field(both)) == (3, None)
    assert receptive_field(object()) is None
