"""How fast a run goes: excerpts a second, the share of time spent waiting for data, and what is left."""

from __future__ import annotations

import time


class Throughput:
    """Measures from the first step of this session on.

    Args:
        first: the step that the session begins with.
        steps: of the whole training.
        batch: excerpts in a step, of all processes.
    """

    def __init__(self, first: int, steps: int, batch: int) -> None:
        self.first, self.steps, self.batch = first, steps, batch
        self.done = first
        self.waited = 0.0
        self.paused = 0.0
        self.began = time.monotonic()

    def step(self, waited: float) -> None:
        """A step is done, for which data were waited for so many seconds."""
        self.done += 1
        self.waited += waited

    def pause(self, seconds: float) -> None:
        """So many seconds went into something else, such as scoring."""
        self.paused += seconds

    @property
    def elapsed(self) -> float:
        """Seconds of this session, all told."""
        return time.monotonic() - self.began

    @property
    def training(self) -> float:
        """Seconds of this session spent in steps."""
        return max(1e-9, self.elapsed - self.paused)

    @property
    def speed(self) -> float:
        """Excerpts a second."""
        return (self.done - self.first) * self.batch / self.training

    @property
    def waiting(self) -> float:
        """Share of the training's time in which nothing but data was waited for, 0 … 1."""
        return self.waited / self.training

    @property
    def left(self) -> float | None:
        """Seconds to go, scoring included; None before the first step."""
        done = self.done - self.first
        return self.elapsed / done * (self.steps - self.done) if done else None

    def __str__(self) -> str:
        left = "" if self.left is None else f" · {clock(self.left)} left"
        return f"{self.speed:.1f} excerpts/s · {self.waiting:.0%} waiting for data{left}"


def clock(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> clock(3723.4), clock(59)
    ('1:02:03', '0:59')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
