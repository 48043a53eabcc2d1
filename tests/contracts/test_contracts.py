"""Every built-in and every fake keeps its contract, and a component that does not is told which rule it breaks."""

import sys
from contextlib import nullcontext
from importlib.util import find_spec
from shutil import which
from types import SimpleNamespace

import pytest
import torch

from upscaler_core import Component, Estimate, Kind, Options, Plan, Registry, discover, hookimpl
from upscaler_core.errors import MissingDependency
from upscaler_core.testing import contract_failures, contract_tests
from upscaler_core.testing.contracts import checks_of

FAKES = {"cross": {"magnitude": "a", "phase": "b"}}


@pytest.mark.parametrize("entry", discover().entries, ids=lambda entry: f"{entry.kind}-{entry.component.name}")
def test_built_ins(entry):
    extra = (entry.component.extra or "[sys]").partition("[")[2].rstrip("]")
    module = {"train": "accelerate"}.get(extra, extra)
    absent = find_spec(module) is None or (entry.component.name in ("aac", "ffmpeg") and not which("ffprobe"))
    with pytest.raises(MissingDependency, match="install") if absent else nullcontext():
        assert contract_failures(discover(), entry) == []


@pytest.mark.parametrize("kind", Kind)
def test_fakes(fake_registry, kind):
    entries = fake_registry.of(kind)
    assert entries and checks_of(kind)
    for entry in entries:
        assert contract_failures(fake_registry, entry, **FAKES.get(entry.component.name, {})) == []


@contract_tests("poly-sinc-hq", dsp_quality="fast")
def test_the_decorator(check):
    check()


class Base:
    def __init__(self, options):
        pass


class WrongRatio(Base):
    def plan(self, rate_in, rate_out):
        return Plan(lambda w, s: w[:, :100], 100, 100, 0)


class NoPlan(Base):
    def plan(self, rate_in, rate_out):
        return None


class Late(Base):
    """Half a millisecond late."""

    def plan(self, rate_in, rate_out):
        at = (torch.arange(rate_out) * rate_in // rate_out - rate_in // 2000).clamp(min=0)
        return Plan(lambda w, s: w[:, at], rate_in, rate_out, 0)


class InPlace(Base):
    def plan(self, rate_in, rate_out):
        at = torch.arange(rate_out) * rate_in // rate_out
        return Plan(lambda w, s: w.mul_(1.001)[:, at], rate_in, rate_out, 0)


class Model(Base):
    rate, granule, reach = 48_000, 1, None


class Random(Model):
    def __call__(self, x, about):
        return Estimate(x + torch.rand(()))


class Mixing(Model):
    def __call__(self, x, about):
        return Estimate(x + x.mean(0, keepdim=True))


class Liar(Model):
    reach = 10

    def __call__(self, x, about):
        return Estimate(x + x.mean(-1, keepdim=True))


class Short(Model):
    def __call__(self, x, about):
        return Estimate(x[..., 1:])


class NotANumber(Model):
    def __call__(self, x, about):
        return Estimate(x / 0)


class HalfRate(Model):
    rate = 48_000.5

    def __call__(self, x, about):
        return Estimate(x)


class Chancy(Base):
    def __call__(self, x, rate, generator):
        from upscaler_core import Degraded

        return Degraded(x + torch.rand(()))


class Flat(Base):
    def __call__(self, estimate, target):
        return (estimate * 0).sum() + 1


class Backwards(Base):
    unit, higher_is_better = "dB", True

    def __call__(self, estimate, target, rate):
        return (estimate - target).square().mean((1, 2))


class Unreadable(Base):
    def open(self, path):
        raise RuntimeError("what?")


class Leaky(Base):
    def plan(self, rate):
        return Plan(lambda w, s: w + 1e-3 * (s // 4_800 % 2), 4_800, 4_800, 0)


class Wordy(Base):
    pass


BROKEN = [
    (Kind.RESAMPLER, WrongRatio, "plan"),
    (Kind.RESAMPLER, NoPlan, "plan"),
    (Kind.RESAMPLER, Late, "delay"),
    (Kind.RESAMPLER, InPlace, "function"),
    (Kind.MODEL, Random, "determinism"),
    (Kind.MODEL, Mixing, "batch"),
    (Kind.MODEL, Liar, "reach"),
    (Kind.MODEL, Short, "shape"),
    (Kind.MODEL, NotANumber, "shape"),
    (Kind.MODEL, HalfRate, "attributes"),
    (Kind.DEGRADATION, Chancy, "chance"),
    (Kind.LOSS, Flat, "value"),
    (Kind.METRIC, Backwards, "direction"),
    (Kind.READER, Unreadable, "garbage"),
    (Kind.COMMAND, Wordy, "callable"),
]


@pytest.mark.parametrize(("kind", "factory", "rule"), BROKEN, ids=lambda value: getattr(value, "__name__", str(value)))
def test_a_broken_rule_is_named(kind, factory, rule):
    class Plugin:
        pass

    here = f"{__name__}:{factory.__name__}"
    hook = hookimpl(lambda self: [Component("x", here, Options, suffixes=(".x",))], specname=kind.hook)
    setattr(Plugin, kind.hook, hook)
    sys.modules.setdefault(__name__, SimpleNamespace(**globals()))
    registry = Registry(points=(), plugins={"p": Plugin()})
    failures = contract_failures(registry, registry.find(kind, "x"))
    assert any(failure.startswith(f"{rule}: ") for failure in failures), failures
