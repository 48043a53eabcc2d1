"""Fixtures: a hermetic registry, real audio, and the installed command line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from upscaler_core import Registry
from upscaler_core.testing import Upscaler, fakes

ROOT = Path(__file__).parent.parent
AUDIO = ROOT / "examples" / "audio"

os.environ["UPSCALER_CONFIG"] = os.devnull  # a developer's own settings are no part of the tests


@pytest.fixture(scope="session")
def fake_registry() -> Registry:
    return Registry(points=(), plugins={"fakes": fakes.plugin})


@pytest.fixture(scope="session")
def audio() -> Path:
    return AUDIO


def install(folder: Path, name: str, code: str, version: str = "1.2") -> None:
    """What `pip install` leaves behind: a module and its metadata."""
    (folder / f"upscaler_{name}.py").write_text(code)
    info = folder / f"upscaler_{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: upscaler-{name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[upscaler.plugins]\n{name} = upscaler_{name}\n")


@pytest.fixture
def upscaler(tmp_path: Path) -> Upscaler:
    return Upscaler(tmp_path)
