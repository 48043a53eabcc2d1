"""Fixtures: a hermetic registry, real audio, and the installed command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from upscaler_core import Registry
from upscaler_core.testing import fakes

ROOT = Path(__file__).parent.parent
AUDIO = ROOT / "examples" / "audio"


@pytest.fixture(scope="session")
def fake_registry() -> Registry:
    return Registry(points=(), plugins={"fakes": fakes.plugin})


@pytest.fixture(scope="session")
def audio() -> Path:
    return AUDIO


class Upscaler:
    """The installed command line, run as a user runs it: in a process of its own."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.environment = {**os.environ, "COLUMNS": "200", "UPSCALER_DEBUG": "", **environment}

    def __call__(self, *words: object, **more: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.words(*words), capture_output=True, text=True, timeout=300, **self.settings(), **more
        )

    def start(self, *words: object, **more: object) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(self.words(*words), stdout=pipe, stderr=pipe, text=True, **self.settings(), **more)

    def words(self, *words: object) -> list[str]:
        return [str(Path(sys.executable).with_name("upscaler")), *map(str, words)]

    def settings(self) -> dict[str, object]:
        return {"cwd": self.folder, "env": self.environment}


@pytest.fixture
def upscaler(tmp_path: Path) -> Upscaler:
    return Upscaler(tmp_path)
