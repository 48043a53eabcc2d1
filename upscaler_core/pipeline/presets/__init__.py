"""Pipeline files that go by a name: those that come with the package, and the user's own in the folder of the settings.

`upscaler enhance --preset NAME` runs them. A file of the user's own wins over one of the package with its name.
"""

from __future__ import annotations

from pathlib import Path

from upscaler_core.plugins.user_config import config_file

DEFAULT = "restore"


def path_of(name: str) -> Path | None:
    """The preset's file, or None where there is none of that name."""
    return _files().get(name)


def names() -> list[str]:
    """All presets, sorted."""
    return sorted(_files())


def _files() -> dict[str, Path]:
    folders = (Path(__file__).parent, config_file().parent)
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.yaml"))}
