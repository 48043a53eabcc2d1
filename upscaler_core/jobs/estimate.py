"""Estimates how far a run of many files is, and how long the rest takes, from the run's events.

Stages differ in cost: a survey takes seconds a minute, a model half a minute. So a file's progress is the time that it has
taken, of the time that it will take in all. The costs are measured while the run goes on: first in the file itself, else in
the files before it. Only what nothing has shown yet is guessed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from upscaler_core.jobs.events import Event, Failed, Skipped
from upscaler_core.pipeline.events import Advanced, Finished, Planned, Stage, Started

Work = Stage | Literal["finish"]
"""A stage, or what follows the last one: flushing the output to the disk, and hashing it."""
GUESSED: dict[Work, float] = {"survey": 1.0, "resample": 1.0, "restore": 40.0, "finish": 0.0}
"""Costs in relation to each other, before any is measured: as the preset `restore` has them on a CPU."""


@dataclass
class Meter:
    """Seconds of audio that a kind of work has done, and the time that it took."""

    audio: float = 0.0
    time: float = 0.0

    def add(self, audio: float, time: float) -> None:
        """Count a step."""
        self.audio += audio
        self.time += time

    @property
    def cost(self) -> float | None:
        """Time for each second of audio; None before anything is measured."""
        return self.time / self.audio if self.audio else None


@dataclass
class FileProgress:
    """A file that is being done."""

    began: float
    seconds: float | None
    """Length; None where it is not known."""
    surveyed: bool
    last: float
    """When its last event came."""
    plan: dict[Work, float] | None = None
    """Seconds of audio for each kind of work; None before it is decided."""
    done: dict[Work, float] = field(default_factory=dict)
    steady: dict[Work, Meter] = field(default_factory=dict)
    """Each kind of work without its first step, which also fills windows and warms up."""


class Estimate:
    """How far a run is. Call it with every event (see `jobs/events.py`).

    Args:
        files: how many there are in all.
        processes: how many are done at a time.
        clock: returns the time, seconds.
    """

    def __init__(self, files: int, processes: int = 1, clock: Callable[[], float] = time.monotonic) -> None:
        self.files, self.processes, self.clock = files, processes, clock
        self.began = clock()
        self.active: dict[Path, FileProgress] = {}
        self.waiting: dict[Path, float] = {}
        """Lengths of files that have not begun, as far as they are known."""
        self.ended = 0
        """Files that have a result."""
        self.audio = 0.0
        """Seconds of audio in the files that are done."""
        self._meters: dict[Work, Meter] = {work: Meter() for work in GUESSED}
        self._known = Meter()  # files whose length is known: their number as `time`, their seconds as `audio`
        self._planned: dict[Work, float] = {}
        self._spent = 0.0

    def expect(self, source: Path, seconds: float) -> None:
        """Take the length of a file that has not begun."""
        self.waiting[source] = seconds
        self._known.add(seconds, 1)

    def __call__(self, event: Event) -> None:
        """Take an event."""
        now = self.clock()
        match event:
            case Started(source, seconds, passes):
                expected = self.waiting.pop(source, None)
                if seconds and expected is None:
                    self._known.add(seconds, 1)
                self.active[source] = FileProgress(now, seconds or expected, passes > 1, now)
            case Planned(source, seconds) if source in self.active:
                file = self.active[source]
                file.seconds = sum(seconds.values()) / (1 + file.surveyed)
                file.plan = {"finish": file.seconds}
                for work, amount in seconds.items():
                    file.plan[work] = amount
                    self._planned[work] = self._planned.get(work, 0.0) + amount
            case Advanced(source, seconds, stage) if source in self.active:
                self._step(self.active[source], stage, seconds, now)
            case Finished() | Skipped() | Failed():
                self.ended += 1
                self.waiting.pop(event.source, None)
                ended = self.active.pop(event.source, None)
                if isinstance(event, Finished):
                    self.audio += event.seconds
                if ended:
                    self._spent += now - ended.began
                    if isinstance(event, Finished):
                        self._meters["finish"].add(event.seconds, now - ended.last)

    def _step(self, file: FileProgress, work: Work, audio: float, now: float) -> None:
        self._meters[work].add(audio, now - file.last)
        if work in file.steady:
            file.steady[work].add(audio, now - file.last)
        file.steady.setdefault(work, Meter())
        file.done[work] = file.done.get(work, 0.0) + audio
        file.last = now

    def cost(self, work: Work, file: FileProgress | None = None) -> float | None:
        """Time that a second of audio takes: as measured in this file, else in all, else in proportion to other work."""
        own = file.steady[work].cost if file and work in file.steady else None
        if own is not None:
            return own
        if (measured := self._meters[work].cost) is not None:
            return measured
        known = [(other, meter.time, meter.audio) for other, meter in self._meters.items() if meter.audio]
        units = sum(GUESSED[other] * audio for other, _, audio in known)
        return GUESSED[work] * sum(time for _, time, _ in known) / units if units else None

    def remaining_of(self, source: Path) -> float | None:
        """Time that a file still takes, seconds; None where that is not known."""
        file = self.active[source]
        if file.seconds is None:
            return None
        plan = file.plan or self._usual_plan(file.seconds, file.surveyed)
        total = 0.0
        for work, amount in plan.items():
            cost = self.cost(work, file)
            if cost is None:
                return None
            total += cost * max(0.0, amount - file.done.get(work, 0.0))
        return max(0.0, total - (self.clock() - file.last))

    def fraction_of(self, source: Path) -> float:
        """How much of a file is done, 0 … 1."""
        return _share(self.clock() - self.active[source].began, self.remaining_of(source))

    @property
    def remaining(self) -> float | None:
        """Time that the run still takes, seconds; None where that is not known."""
        each = [self.remaining_of(source) for source in self.active]
        work = [seconds for seconds in each if seconds is not None]
        queue = self._queue()
        if len(work) < len(each) or queue is None or (not self.active and self.ended == 0):
            return None
        processes = min(self.processes, max(1, self.files - self.ended))
        return max([(sum(work) + queue) / processes, *work])

    @property
    def fraction(self) -> float:
        """How much of the run is done, 0 … 1."""
        queue = self._queue()
        left = [self.remaining_of(source) for source in self.active]
        known = [seconds for seconds in left if seconds is not None]
        if queue is None or len(known) < len(left):
            return self.ended / self.files if self.files else 0.0
        spent = self._spent + sum(self.clock() - file.began for file in self.active.values())
        return _share(spent, sum(known) + queue)

    def _queue(self) -> float | None:
        """Time that the files take which have not begun; None where that is not known."""
        files = self.files - self.ended - len(self.active)
        if files <= 0:
            return 0.0
        mean = self._known.audio / self._known.time if self._known.time else None
        unknown = files - len(self.waiting)
        if mean is None:
            return None
        seconds = sum(self.waiting.values()) + unknown * mean
        surveyed = any(file.surveyed for file in self.active.values()) or bool(self._planned.get("survey"))
        total = 0.0
        for work, amount in self._usual_plan(seconds, surveyed).items():
            cost = self.cost(work)
            if cost is None:
                return None
            total += cost * amount
        return total

    def _usual_plan(self, seconds: float, surveyed: bool) -> dict[Work, float]:
        """The work on so many seconds of files about which nothing is decided yet: as in those before, else all restored."""
        plan: dict[Work, float] = {"survey": seconds} if surveyed else {}
        resampled, restored = self._planned.get("resample", 0.0), self._planned.get("restore", 0.0)
        share = restored / (resampled + restored) if resampled + restored else 1.0
        return {**plan, "resample": (1 - share) * seconds, "restore": share * seconds, "finish": seconds}


def _share(spent: float, left: float | None) -> float:
    return spent / (spent + left) if left is not None and spent + left > 0 else 0.0
