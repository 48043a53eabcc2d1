"""What came of many files: counted, and kept one by one only where somebody wants to see them all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from upscaler_core.jobs.events import Event, Failed, Result, Skipped
from upscaler_core.pipeline.events import Finished


class ResultCounter:
    """A listener to events (see `events.py`).

    Args:
        keep: the results too.
    """

    def __init__(self, *, keep: bool) -> None:
        self.keep = keep
        self.kept: list[Result] = []
        self.done = self.skipped = 0
        self.seconds = 0.0
        """Of audio that is done."""
        self.codes: Counter[int] = Counter()
        """Of what failed."""

    def __call__(self, event: Event) -> None:
        """Count a result."""
        match event:
            case Finished():
                self.done += 1
                self.seconds += event.seconds
            case Skipped():
                self.skipped += 1
            case Failed():
                self.codes[event.exit_code] += 1
            case _:
                return
        if self.keep:
            self.kept.append(event)

    def sort(self, sources: Sequence[Path]) -> None:
        """Bring what was kept into this order; processes end their files in any."""
        place = {source: index for index, source in enumerate(sources)} if self.kept else {}
        self.kept.sort(key=lambda result: place[result.source])

    @property
    def exit_code(self) -> int:
        """The process's."""
        return exit_code(self.codes, self.done + self.skipped + self.codes.total())


def exit_code(failed: Counter[int], files: int) -> int:
    """0 all done; 1 some failed; where all failed for one reason, that reason's code."""
    if not failed:
        return 0
    return next(iter(failed)) if len(failed) == 1 and failed.total() == files else 1
