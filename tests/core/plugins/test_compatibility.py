"""Old plugins with a new core: names that were changed go on working, and say what they are called now."""

import types

import pytest

import upscaler_core
from upscaler_core import Component, Kind, Registry, hookimpl
from upscaler_core.plugins.compatibility import ATTRIBUTES, EXPORTS, HOOKS, Renamed

OLD_HOOK = Renamed("upscaler_resamplers", "9.0")


def plugin(**hooks):
    module = types.ModuleType("old")
    for name, component in hooks.items():
        function = lambda component=component: [Component(component, "a:b")]  # noqa: E731 - named below
        function.__name__ = name
        setattr(module, name, hookimpl(function))
    return module


def test_a_hook_under_its_old_name_works_with_a_warning_at_its_line(monkeypatch):
    monkeypatch.setitem(HOOKS, "upscaler_converters", OLD_HOOK)
    with pytest.warns(DeprecationWarning, match="upscaler_converters is now called upscaler_resamplers") as caught:
        registry = Registry(points=(), plugins={"old": plugin(upscaler_converters="x")})
    assert registry.names(Kind.RESAMPLER) == ["x"]
    assert "gone in version 9.0" in str(caught[0].message)
    assert caught[0].filename == __file__


def test_a_plugin_with_both_names_serves_old_and_new_versions_without_a_warning(monkeypatch):
    monkeypatch.setitem(HOOKS, "upscaler_converters", OLD_HOOK)
    both = plugin(upscaler_converters="old", upscaler_resamplers="new")
    assert Registry(points=(), plugins={"old": both}).names(Kind.RESAMPLER) == ["new"]


def test_an_old_hook_whose_time_is_over_is_refused():
    (gone,) = Registry(points=(), plugins={"old": plugin(upscaler_converters="x")}).plugins
    assert gone.reason.startswith("there is no hook upscaler_converters")


@pytest.mark.parametrize("new", ["Component", "Pipeline"])  # one that is imported at once, one that is imported late
def test_an_export_under_its_old_name_works_with_a_warning_at_the_import(monkeypatch, new):
    monkeypatch.setitem(EXPORTS, "Ancient", Renamed(f"upscaler_core.{new}", "9.0"))
    with pytest.warns(DeprecationWarning, match=f"Ancient is now called upscaler_core.{new}") as caught:
        from upscaler_core import Ancient
    assert Ancient is getattr(upscaler_core, new)
    assert {warning.filename for warning in caught} == {__file__}


def test_no_old_name_is_kept_beyond_its_time():
    def numbers(version):
        return tuple(map(int, version.split(".")[:2]))

    for old, renamed in (HOOKS | EXPORTS | ATTRIBUTES).items():
        assert numbers(upscaler_core.__version__) < numbers(renamed.until), f"take {old} out of compatibility.py"
