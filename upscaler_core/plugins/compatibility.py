"""Plugins and cores of different versions: what is refused, and which old names go on working for one minor version.

Whoever renames a hook or an export enters its old name here; whoever releases `until` takes it out.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pluggy

from upscaler_core.errors import PluginError

API_VERSION = 1
"""Of the plugin interface. It rises by one with each release in which plugins can do more than before; a plugin says in
`api_version` which one it is made for."""


@dataclass(frozen=True)
class Renamed:
    """What became of a name."""

    new: str
    """The new name. Of an export: with its package, such as `upscaler_core.dsp.measure_bandwidth`."""
    until: str
    """The version of the distribution in which the old name is gone, such as `0.3`."""


HOOKS: dict[str, Renamed] = {}
"""Hooks, by their old names."""
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
        "read_card": "models.read_card",
        "read_checkpoint": "models.read_checkpoint",
        "survey": "dsp.measure_bandwidth",
        "whole_or_absent": "files.atomic_write",
        "write_checkpoint": "models.write_checkpoint",
    }.items()
}
"""What `upscaler_core` exported, by old names."""
ATTRIBUTES = {"length_multiple": Renamed("granule", "0.3"), "receptive_field": Renamed("reach", "0.3")}
"""Attributes of models and fusions: by their new names, the old ones (as `new`) and until when these are taken."""


def length_multiple(model: object) -> int:
    """Samples that the length of a model's windows must be a multiple of, under the new or the old name."""
    samples: int = _attribute(model, "length_multiple")
    return samples


def receptive_field(part: object) -> int | None:
    """Samples on each side that a model or fusion depends on, under the new or the old name; None = unbounded."""
    samples: int | None = _attribute(part, "receptive_field")
    return samples


def _attribute(part: object, name: str) -> Any:
    old = ATTRIBUTES[name]
    if hasattr(part, name) or not hasattr(part, old.new):
        return getattr(part, name, None)
    warnings.warn(_sentence(f"{type(part).__name__}.{old.new}", Renamed(name, old.until)), stacklevel=3)
    return getattr(part, old.new)


def refuse_newer(plugin: object) -> None:
    """Refuse a plugin that is made for a newer interface than this one; one that does not say is made for the first.

    Raises:
        PluginError: it is, or its `api_version` is no version.
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
    """The name that an export has now, with its package, after a warning; None where it never had another."""
    if (renamed := EXPORTS.get(export)) is None:
        return None
    warnings.warn(_sentence(f"upscaler_core.{export}", renamed), stacklevel=3)
    return renamed.new


def imported(name: str) -> Any:
    """Import what a name with its package stands for."""
    package, _, attribute = name.rpartition(".")
    return getattr(import_module(package), attribute)


def _sentence(old: str, renamed: Renamed) -> DeprecationWarning:
    return DeprecationWarning(f"{old} is now called {renamed.new}; the old name is gone in version {renamed.until}")


class Manager(pluggy.PluginManager):
    """Takes a hook's old name for its new one, unless the plugin implements both to serve older versions too."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        """What pluggy asks about each attribute of a plugin."""
        options = super().parse_hookimpl_opts(plugin, name)
        if options is None or (renamed := HOOKS.get(name)) is None:
            return options
        if hasattr(plugin, renamed.new):
            return None
        code = getattr(plugin, name).__code__
        warnings.warn_explicit(_sentence(name, renamed), DeprecationWarning, code.co_filename, code.co_firstlineno)
        return {**options, "specname": renamed.new}
