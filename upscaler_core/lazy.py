"""Names that a package exports and that are imported at their first use (PEP 562), because what defines them is heavy."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any


def lazy_exports(package: str, modules: Mapping[str, str], name: str) -> Any:
    """Import one exported name; what a package's `__getattr__` calls.

    Args:
        package: its name.
        modules: which of the package's modules defines each name.
        name: what was asked for.

    Raises:
        AttributeError: the package exports no such name.
    """
    if name not in modules:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    value = getattr(import_module(f"{package}.{modules[name]}"), name)
    setattr(sys.modules[package], name, value)
    return value
