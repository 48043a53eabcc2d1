"""The command line; and what plugins' commands share with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upscaler_core.lazy import lazy_exports

if TYPE_CHECKING:
    from upscaler_core.cli.entry_point import main
    from upscaler_core.cli.error_handling import run_app
    from upscaler_core.cli.interrupt import Interrupt
    from upscaler_core.cli.options import CUTOFFS_HELP, AllowLocalPlugins, Device, Settings
    from upscaler_core.cli.result_counter import exit_code
    from upscaler_core.cli.starting import erase_start
    from upscaler_core.cli.words import clock, doubt_about

__all__ = [
    "CUTOFFS_HELP",
    "AllowLocalPlugins",
    "Device",
    "Interrupt",
    "Settings",
    "clock",
    "doubt_about",
    "erase_start",
    "exit_code",
    "main",
    "run_app",
]

_MODULES = {
    "AllowLocalPlugins": "options",
    "CUTOFFS_HELP": "options",
    "Device": "options",
    "Interrupt": "interrupt",
    "Settings": "options",
    "clock": "words",
    "doubt_about": "words",
    "erase_start": "starting",
    "exit_code": "result_counter",
    "main": "entry_point",
    "run_app": "error_handling",
}


def __getattr__(name: str) -> Any:
    return lazy_exports(__name__, _MODULES, name)
