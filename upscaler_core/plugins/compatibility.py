"""Plugins that are older or newer than the core: which plugins are refused, and which old names still work.

An old name works for one minor version, with a `DeprecationWarning`. Whoever renames a hook, an export or an attribute
enters the old name here. Whoever releases the version `until` removes it.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pluggy

from upscaler_core.errors import PluginError

API_VERSION = 2
"""Version of the plugin interface. It rises by one with each release in which plugins can do more than before. A plugin says
in `api_version` for which version it is made."""


@dataclass(frozen=True)
class Renamed:
    """The new name for an old one."""

    new: str
    """The new name. For an export it includes the package, such as `upscaler_core.dsp.measure_bandwidth`."""
    until: str
    """The version of the distribution in which the old name no longer works, such as `0.3`."""


HOOKS: dict[str, Renamed] = {}
"""Hooks by their old names."""
EXPORTS: dict[str, Renamed] = {
    old: Renamed(f"upscaler_core.{new}", "0.3")
    for old, new in {
        "Adversary": "plugins.Adversary",
        "Card": "models.Card",
        "Checkpoint": "models.Checkpoint",
        "Command": "plugins.Command",
        "Degradation": "plugins.Degradation",
        "EnhancementModel": "plugins.EnhancementModel",
        "Exporter": "plugins.Exporter",
        "Fault": "pipeline.Fault",
        "Finisher": "plugins.Finisher",
        "FusionStrategy": "plugins.FusionStrategy",
        "Grid": "StftConfig",
        "Interrupt": "cli.Interrupt",
        "ID3_FRAMES": "files.ID3_FRAMES",
        "Loss": "plugins.Loss",
        "Metric": "plugins.Metric",
        "Picture": "plugins.Picture",
        "Reader": "plugins.Reader",
        "Resample": "dsp.Resample",
        "Resampler": "plugins.Resampler",
        "Sink": "plugins.Sink",
        "Source": "plugins.Source",
        "Spec": "pipeline.Spec",
        "Trainable": "plugins.Trainable",
        "Use": "pipeline.ComponentRef",
        "choose_device": "models.choose_device",
        "choose_dtype": "models.choose_dtype",
        "computing": "models.computing",
        "fast_at_bfloat16": "models.fast_at_bfloat16",
        "fixed_initialization": "models.fixed_initialization",
        "kaiser_lowpass": "dsp.kaiser_lowpass",
        "kaiser_reach": "dsp.kaiser_half_length",
        "load_form": "pipeline.load_form",
        "near": "plugins.suggest",
        "open_source": "files.open_recording",
        "run_app": "cli.run_app",
        "read_card": "models.read_card",
        "read_checkpoint": "models.read_checkpoint",
        "survey": "dsp.measure_bandwidth",
        "whole_or_absent": "files.atomic_write",
        "write_checkpoint": "models.write_checkpoint",
    }.items()
}
"""Exports of `upscaler_core` by their old names."""
ATTRIBUTES = {"granule": Renamed("length_multiple", "0.3"), "reach": Renamed("receptive_field", "0.3")}
"""Attributes of models and fusions by their old names."""


def length_multiple(model: object) -> int:
    """A model's `length_multiple`, under its new or its old name: window lengths are multiples of so many samples."""
    samples: int = _attribute(model, "length_multiple")
    return samples


def receptive_field(part: object) -> int | None:
    """A model's or a fusion's `receptive_field`, under its new or its old name: samples on each side; None = unbounded."""
    samples: int | None = _attribute(part, "receptive_field")
    return samples


def _attribute(part: object, name: str) -> Any:
    if not hasattr(part, name):
        for old, renamed in ATTRIBUTES.items():
            if renamed.new == name and hasattr(part, old):
                warnings.warn(_warning(f"{type(part).__name__}.{old}", renamed), stacklevel=3)
                return getattr(part, old)
    return getattr(part, name, None)


def refuse_newer(plugin: object) -> None:
    """Refuse a plugin that is made for a newer interface than this one. Without `api_version` it is made for version 1.

    Raises:
        PluginError: the plugin is newer, or its `api_version` is not a version.
    """
    version = getattr(plugin, "api_version", 1)
    if not isinstance(version, int) or version < 1:
        raise PluginError(f"its api_version is {version!r}, not a whole number from 1")
    if version > API_VERSION:
        raise PluginError(
            f"it is made for version {version} of the plugin interface, and this is version {API_VERSION}: "
            "pip install -U ai-audio-upscaler"
        )


def new_name(export: str) -> str | None:
    """The new name of an export, with its package, after a warning; None for a name that is not an old one."""
    if (renamed := EXPORTS.get(export)) is None:
        return None
    warnings.warn(_warning(f"upscaler_core.{export}", renamed), stacklevel=3)
    return renamed.new


def imported(name: str) -> Any:
    """Import an object by its name with its package."""
    package, _, attribute = name.rpartition(".")
    return getattr(import_module(package), attribute)


def _warning(old: str, renamed: Renamed) -> DeprecationWarning:
    return DeprecationWarning(f"{old} is now called {renamed.new}; the old name is gone in version {renamed.until}")


class Manager(pluggy.PluginManager):
    """Accepts hooks under their old names. If a plugin implements both names, to work with older versions too, the new
    one counts.
    """

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        """Overrides the method by which pluggy finds out which attributes of a plugin are hooks."""
        options = super().parse_hookimpl_opts(plugin, name)
        if options is None or (renamed := HOOKS.get(name)) is None:
            return options
        if hasattr(plugin, renamed.new):
            return None
        code = getattr(plugin, name).__code__
        warnings.warn_explicit(_warning(name, renamed), DeprecationWarning, code.co_filename, code.co_firstlineno)
        return {**options, "specname": renamed.new}
