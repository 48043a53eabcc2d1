"""Counts the results of many files. The results themselves are kept only where all of them are shown at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from upscaler_core.jobs.events import Event, Failed, Result, Skipped
from upscaler_core.pipeline.events import Finished


class ResultCounter:
    """Counts results; call it with every event (see `jobs/events.py`).

    Args:
        keep_results: keep the results too, in `results`.
    """

    def __init__(self, *, keep_results: bool) -> None:
        self.keep_results = keep_results
        self.results: list[Result] = []
        self.done = self.skipped = 0
        self.seconds = 0.0
        """Seconds of audio in the files that are done."""
        self.damaged = 0
        """Files that are done, but a good part of which is silence, because it could not be decoded."""
        self.failed: Counter[int] = Counter()
        """How many files failed, by exit code."""

    def __call__(self, event: Event) -> None:
        """Count an event if it is a result."""
        match event:
            case Finished():
                self.done += 1
                self.damaged += event.damaged
                self.seconds += event.seconds
            case Skipped():
                self.skipped += 1
            case Failed():
                self.failed[event.exit_code] += 1
            case _:
                return
        if self.keep_results:
            self.results.append(event)

    def sort(self, sources: Sequence[Path]) -> None:
        """Bring the results into the order of the sources. Worker processes finish their files in any order."""
        place = {source: index for index, source in enumerate(sources)} if self.results else {}
        self.results.sort(key=lambda result: place[result.source])

    @property
    def exit_code(self) -> int:
        """The exit code of the process: 1 also where all files are done, and one of them is damaged."""
        return exit_code(self.failed, self.done + self.skipped + self.failed.total()) or int(self.damaged > 0)


def exit_code(failed: Counter[int], files: int) -> int:
    """The exit code of a process that worked on many files.

    Args:
        failed: how many files failed, by exit code.
        files: how many files there were in all.

    Returns:
        0 if no file failed; the reason's exit code if all files failed for one reason; otherwise 1.
    """
    if not failed:
        return 0
    return next(iter(failed)) if len(failed) == 1 and failed.total() == files else 1
