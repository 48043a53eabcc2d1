"""The training of a trial: it runs in its own process, and its scores are read from the log that it writes."""

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

COMMAND = [sys.executable, "-P", "-m", "upscaler_tune.trial_process"]
LOG = "log.jsonl"
OUTPUT = "output.txt"
"""What the process prints goes into this file."""
GRACE_SECONDS = 1.0
"""Time that a training has to end after SIGTERM before it is killed."""


class Training:
    """A training in its own process. It continues a stopped one if the folder holds one.

    Args:
        recipe: the training recipe.
        folder: the folder of the training.
        arguments: further arguments of `upscaler train`.
        threads: number of computing threads; None leaves the choice to the training.
    """

    def __init__(self, recipe: Path, folder: Path, arguments: Sequence[str], threads: int | None) -> None:
        self.folder = folder
        self.scores: list[float] = []
        """All scores so far."""
        folder.mkdir(parents=True, exist_ok=True)
        variables = {} if threads is None or "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": str(threads)}
        with (folder / OUTPUT).open("wb") as output:
            self.process = subprocess.Popen(
                [*COMMAND, str(recipe), "--out", str(folder), "--resume", *arguments],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env={**os.environ, **variables},
                start_new_session=True,  # Ctrl-C on the terminal reaches only the parent
            )
        self._file, self._offset, self._scorings = 0, 0, 0

    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while the training runs."""
        return self.process.poll()

    def new_scores(self) -> Iterator[tuple[int, float]]:
        """The scorings since the last call: their numbers from 1, and the mean of their scores over the cut-offs."""
        with contextlib.suppress(FileNotFoundError), (self.folder / LOG).open("rb") as log:
            inode = os.fstat(log.fileno()).st_ino
            if inode != self._file:  # a new log, also after a training that continues has rewritten it
                self._file, self._offset, self._scorings = inode, 0, 0
            log.seek(self._offset)
            for line in log:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                entry = json.loads(line) if b'"score"' in line else {}
                if entry.get("kind") == "score" and entry["trained"] and entry["step"]:
                    self._scorings += 1
                    if self._scorings > len(self.scores):
                        self.scores.append(sum(entry["scores"].values()) / len(entry["scores"]))
                        yield self._scorings, self.scores[-1]

    def failure_reason(self) -> str:
        """The error messages of a training that failed, or else its last line of output or its exit code."""
        lines = (self.folder / OUTPUT).read_text("utf-8", "replace").strip().splitlines()
        messages = [line.removeprefix("upscaler: ") for line in lines if line.startswith("upscaler: ")]
        return "; ".join(messages) or (lines[-1] if lines else f"it ended with {self.process.returncode}")


def stop(trainings: Iterable[Training]) -> None:
    """End trainings: terminate them, kill those that do not end in time, and wait for all."""
    processes = [training.process for training in trainings]
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + GRACE_SECONDS
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            _kill(process)
            process.wait()
        if process.stdin:
            process.stdin.close()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and, on systems with process groups, everything that it started."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
