"""Runs the installed command line in a folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any


class Upscaler:
    """The installed command line. It runs as for a user: in a process of its own.

    Args:
        folder: the folder to run in; relative paths begin there.
        environment: variables, added to those of this process.
    """

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.environment = {**os.environ, "COLUMNS": "200", "UPSCALER_DEBUG": "", **environment}

    def __call__(self, *words: object, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run `upscaler` with these words, and wait. The result has `returncode`, `stdout` and `stderr`."""
        settings = {"capture_output": True, "timeout": 300, **self.settings(), **more}
        return subprocess.run(self.words(*words), text=True, check=False, **settings)

    def start(self, *words: object, **more: Any) -> subprocess.Popen[str]:
        """Start `upscaler` with these words, and do not wait."""
        settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **self.settings(), **more}
        return subprocess.Popen(self.words(*words), text=True, **settings)

    def words(self, *words: object) -> list[str]:
        """The command line to run."""
        return [str(Path(sys.executable).with_name("upscaler")), *map(str, words)]

    def settings(self) -> dict[str, Any]:
        """The folder and the environment to run in."""
        return {"cwd": self.folder, "env": self.environment}
