"""The bar that is shown while a file is inspected, on a terminal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


class FileBar:
    """A bar for one file after the other. Use it as a context.

    Args:
        files: how many there are.
    """

    def __init__(self, files: int) -> None:
        self.files, self.number = files, 0
        self.console = Console(stderr=True)
        self.progress: Progress | None = None

    def __enter__(self) -> FileBar:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.hide()

    def begin(self, path: Path) -> Callable[[float, float | None], None]:
        """Show a bar for a file, and return what moves it: a function of the seconds done and in all."""
        self.number += 1
        progress = self.progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(20),
            TaskProgressColumn(),
            TimeRemainingColumn(compact=True),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        name = path.name if len(path.name) <= 32 else f"{path.name[:19]}…{path.name[-12:]}"
        count = f"{self.number} of {self.files}  " if self.files > 1 else ""
        bar = progress.add_task(f"{count}{name}", total=None)
        progress.start()
        return lambda done, total: progress.update(bar, completed=done, total=total)

    def hide(self) -> None:
        """Take the bar away."""
        if self.progress:
            self.progress.stop()
            self.progress = None
