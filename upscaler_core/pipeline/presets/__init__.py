"""Pipeline files that come with the package; `upscaler enhance --preset NAME` runs them."""

from __future__ import annotations

from pathlib import Path

DEFAULT = "restore"


def path_of(name: str) -> Path | None:
    """The preset's file, or None where there is none of that name."""
    return Path(__file__).with_name(f"{name}.yaml") if name in names() else None


def names() -> list[str]:
    """All presets, sorted."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.yaml"))
