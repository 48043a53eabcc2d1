"""Estimates how far a run of many files is, and how long the rest takes, from the run's events.

Stages differ in cost: a survey takes seconds a minute, a model half a minute. So a file's progress is the time that it has
taken, of the time that it will take in all. The costs are measured while the run goes on: first in the file itself, else in
the files before it. Only what nothing has shown yet is guessed.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from upscaler_core.jobs.events import Event, Failed, Skipped
from upscaler_core.pipeline.events import Advanced, Finished, Planned, Stage, Started

FINISH: Stage = "finish"
"""What follows the last stage: flushing the output to the disk, and hashing it."""
GUESSED: dict[Stage, float] = {"survey": 1.0, "write": 0.1, "lower": 0.1, FINISH: 0.0}
"""Costs in relation to each other, before any is measured."""
GUESSED_MODEL = 40.0
"""The same for a stage of a model: as the preset `restore` has it on a CPU."""


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
    plan: dict[Stage, float] | None = None
    """Seconds of audio for each kind of work; None before it is decided."""
    done: dict[Stage, float] = field(default_factory=dict)
    steady: dict[Stage, Meter] = field(default_factory=dict)
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
        self._meters: defaultdict[Stage, Meter] = defaultdict(Meter)
        self._known = Meter()  # files whose length is known: their number as `time`, their seconds as `audio`
        self._planned: defaultdict[Stage, float] = defaultdict(float)
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
                file.seconds = seconds["write"]
                file.plan = {**seconds, FINISH: file.seconds}
                for stage, amount in file.plan.items():
                    self._planned[stage] += amount
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
                        self._meters[FINISH].add(event.seconds, now - ended.last)

    def _step(self, file: FileProgress, stage: Stage, audio: float, now: float) -> None:
        self._meters[stage].add(audio, now - file.last)
        if stage in file.steady:
            file.steady[stage].add(audio, now - file.last)
        file.steady.setdefault(stage, Meter())
        file.done[stage] = file.done.get(stage, 0.0) + audio
        file.last = now

    def cost(self, stage: Stage, file: FileProgress | None = None) -> float | None:
        """Time that a second of audio takes: as measured in this file, else in all, else in proportion to other work."""
        own = file.steady[stage].cost if file and stage in file.steady else None
        if own is not None:
            return own
        if (measured := self._meters[stage].cost) is not None:
            return measured
        units = sum(_guess(other) * meter.audio for other, meter in self._meters.items())
        return _guess(stage) * sum(meter.time for meter in self._meters.values()) / units if units else None

    def remaining_of(self, source: Path) -> float | None:
        """Time that a file still takes, seconds; None where its length, or what a model costs, is not known yet."""
        file = self.active[source]
        return self._time_left(file) if file.seconds and self._measured(self._plan_of(file)) else None

    def fraction_of(self, source: Path) -> float:
        """How much of a file is done, 0 … 1."""
        file = self.active[source]
        known = file.seconds and self._anything_measured
        return _share(self.clock() - file.began, self._time_left(file)) if known else 0.0

    @property
    def remaining(self) -> float | None:
        """Time that the run still takes, seconds; None where that is not known yet."""
        left = [self.remaining_of(source) for source in self.active]
        known = [seconds for seconds in left if seconds is not None]
        queue = self._queue()
        if self.audio and queue is not None and not self._anything_measured:
            return self._by_length(queue)
        if len(known) < len(left) or queue is None or not self._measured(queue):
            return None
        processes = min(self.processes, max(1, self.files - self.ended))
        return max([(sum(known) + self._time(queue)) / processes, *known])

    @property
    def fraction(self) -> float:
        """How much of the run is done, 0 … 1."""
        queue = self._queue()
        lengths = queue is not None and all(file.seconds for file in self.active.values())
        if queue is None or not lengths or not self._anything_measured:
            return self.ended / self.files if self.files else 0.0
        spent = self._spent + sum(self.clock() - file.began for file in self.active.values())
        return _share(spent, sum(self._time_left(file) for file in self.active.values()) + self._time(queue))

    @property
    def _anything_measured(self) -> bool:
        return any(meter.audio for stage, meter in self._meters.items() if stage != FINISH)

    def _by_length(self, queue: Mapping[Stage, float]) -> float:
        """Time left where stages are not told, as on a cluster: in proportion to the files that are done."""
        seconds = queue.get("write", 0.0) + sum(file.seconds or 0.0 for file in self.active.values())
        return (self.clock() - self.began) * seconds / self.audio

    def _plan_of(self, file: FileProgress) -> dict[Stage, float]:
        return file.plan or self._usual_plan(file.seconds or 0.0, file.surveyed)

    def _time_left(self, file: FileProgress) -> float:
        rest = {stage: max(0.0, amount - file.done.get(stage, 0.0)) for stage, amount in self._plan_of(file).items()}
        return max(0.0, self._time(rest, file) - (self.clock() - file.last))

    def _time(self, plan: Mapping[Stage, float], file: FileProgress | None = None) -> float:
        """Time that some work takes, seconds."""
        return sum((self.cost(stage, file) or 0.0) * amount for stage, amount in plan.items())

    def _measured(self, plan: Mapping[Stage, float]) -> bool:
        """Whether the cost of all that matters in a plan was measured: the first file's models have begun."""
        return all(
            self._meters[stage].audio for stage, amount in plan.items() if amount and stage not in (FINISH, "write")
        )

    def _queue(self) -> dict[Stage, float] | None:
        """The work on the files that have not begun; None where their lengths are not known."""
        files = self.files - self.ended - len(self.active)
        if files <= 0:
            return {}
        if not self._known.time:
            return None
        seconds = sum(self.waiting.values()) + max(0, files - len(self.waiting)) * self._known.audio / self._known.time
        surveyed = any(file.surveyed for file in self.active.values()) or bool(self._planned["survey"])
        return self._usual_plan(seconds, surveyed)

    def _usual_plan(self, seconds: float, surveyed: bool) -> dict[Stage, float]:
        """The work on so many seconds of files about which nothing is decided yet: as in those before, else all restored."""
        if self._planned["write"]:
            return {stage: amount * seconds / self._planned["write"] for stage, amount in self._planned.items()}
        plan = {"write": seconds, FINISH: seconds}
        return {"survey": seconds, "restore": seconds, **plan} if surveyed else plan


def _guess(stage: Stage) -> float:
    return GUESSED.get(stage, GUESSED_MODEL)


def _share(spent: float, left: float) -> float:
    return spent / (spent + left) if spent + left > 0 else 0.0
