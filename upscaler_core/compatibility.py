"""Plugins and cores of different versions: what is refused, and which old names go on working for one minor version.

Whoever renames a hook or an export enters its old name here; whoever releases `until` takes it out.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import pluggy

from upscaler_core.errors import PluginError

API_VERSION = 1
"""Of the plugin interface. It rises by one with each release in which plugins can do more than before; a plugin says in
`api_version` which one it is made for."""


@dataclass(frozen=True)
class Renamed:
    """What became of a name."""

    new: str
    until: str
    """The version of the distribution in which the old name is gone, such as `0.3`."""


HOOKS: dict[str, Renamed] = {}
"""Hooks, by their old names."""
EXPORTS: dict[str, Renamed] = {}
"""What `upscaler_core` exports, by old names."""


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
    """The name that an export has now, after a warning; None where it never had another."""
    if (renamed := EXPORTS.get(export)) is None:
        return None
    warnings.warn(_told(export, renamed), stacklevel=3)
    return renamed.new


def _told(old: str, renamed: Renamed) -> DeprecationWarning:
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
        warnings.warn_explicit(_told(name, renamed), DeprecationWarning, code.co_filename, code.co_firstlineno)
        return {**options, "specname": renamed.new}
