"""Offers the command `inspect`."""

from __future__ import annotations

from collections.abc import Iterable

from upscaler_core import Component, hookimpl


@hookimpl
def upscaler_commands() -> Iterable[Component]:
    """Offer the command. It only reads files, and changes nothing."""
    return [Component("inspect", "upscaler_inspect.command:Inspect", summary="Look inside recordings.")]
