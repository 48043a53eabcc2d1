"""A trial's training, in a process of its own, followed by the log that it writes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

CHILD = [sys.executable, "-P", "-m", "upscaler_tune.child"]
LOG = "log.jsonl"
SAID = "output.txt"
GRACE_SECONDS = 1.0
"""To end in a polite way, before it is killed."""


class Training:
    """Trains a recipe; goes on where the folder holds a training that was stopped.

    Args:
        recipe: a training recipe.
        folder: the training's.
        words: further words of `upscaler train`.
        threads: for computing; None leaves the choice to it.
    """

    def __init__(self, recipe: Path, folder: Path, words: Sequence[str], threads: int | None) -> None:
        self.folder = folder
        self.told: list[float] = []
        folder.mkdir(parents=True, exist_ok=True)
        more = {} if threads is None or "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": str(threads)}
        with (folder / SAID).open("wb") as output:
            self.process = subprocess.Popen(
                [*CHILD, str(recipe), "--out", str(folder), "--resume", *words],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env={**os.environ, **more},
                start_new_session=True,  # a terminal's Ctrl-C is the parent's to answer
            )
        self._file, self._offset, self._scorings = 0, 0, 0

    def ended(self) -> int | None:
        """The exit code, negative for a signal; None while it trains."""
        return self.process.poll()

    def scores(self) -> Iterator[tuple[int, float]]:
        """The scorings since the last call: their numbers from 1, and the mean of the cut-offs."""
        with contextlib.suppress(FileNotFoundError), (self.folder / LOG).open("rb") as log:
            if os.fstat(log.fileno()).st_ino != self._file:  # new, or written anew by a training that goes on
                self._file, self._offset, self._scorings = os.fstat(log.fileno()).st_ino, 0, 0
            log.seek(self._offset)
            for line in log:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                entry = json.loads(line) if b'"score"' in line else {}
                if entry.get("kind") == "score" and entry["trained"] and entry["step"]:
                    self._scorings += 1
                    if self._scorings > len(self.told):
                        self.told.append(sum(entry["scores"].values()) / len(entry["scores"]))
                        yield self._scorings, self.told[-1]

    def reason(self) -> str:
        """Why it failed, in its own words."""
        lines = (self.folder / SAID).read_text("utf-8", "replace").strip().splitlines()
        told = [line.removeprefix("upscaler: ") for line in lines if line.startswith("upscaler: ")]
        return "; ".join(told) or (lines[-1] if lines else f"it ended with {self.process.returncode}")


def stop(trainings: Iterable[Training]) -> None:
    """End trainings, in a polite way first, and see that they are gone."""
    processes = [training.process for training in trainings]
    for process in processes:
        process.terminate()
    until = time.monotonic() + GRACE_SECONDS
    for process in processes:
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            _kill(process)
            process.wait()
        if process.stdin:
            process.stdin.close()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process, and where there are process groups all that it started."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
