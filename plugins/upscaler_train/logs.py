"""What a run leaves to read: `log.jsonl`, an object a line, and TensorBoard's files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from upscaler_core.files import atomic_write

FILE = "log.jsonl"


class Log:
    """Both logs of a run, from a step on; what they hold of later steps, which a kill left there, is taken back.

    Args:
        folder: the run's.
        step: the last step that counts.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        path = folder / FILE
        if path.exists():
            kept = [entry for entry in entries(folder) if entry["step"] <= step] if step else []
            with atomic_write(path) as part:
                part.write_text("".join(json.dumps(entry) + "\n" for entry in kept))
        self._file = path.open("a", buffering=1)
        self._board = SummaryWriter(folder / "tensorboard", purge_step=step + 1)

    def write(self, kind: str, step: int, curves: Mapping[str, float], **values: Any) -> None:
        """Add an entry, and a point to each of some curves."""
        self._file.write(json.dumps({"kind": kind, "step": step, **values}) + "\n")
        for name, value in curves.items():
            self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Finish both."""
        self._file.close()
        self._board.close()


def entries(folder: Path) -> Iterator[dict[str, Any]]:
    """A run's entries so far; a last line that a kill cut short is left out."""
    with (folder / FILE).open() as file:
        for line in file:
            if line.endswith("\n"):
                yield json.loads(line)
