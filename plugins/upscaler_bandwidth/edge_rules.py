"""`edge-rules`: one bandwidth for the whole recording, by the rules of `upscaler_core.dsp`."""

from __future__ import annotations

from torch import Tensor

from upscaler_core import Options
from upscaler_core.dsp import BandLevels, BandwidthTrack, find_bandwidth


class EdgeRules:
    """The detector `edge-rules`."""

    def __init__(self, options: Options) -> None:
        pass

    def survey(self, rate: int) -> RulesSurvey:
        """Begin a survey."""
        return RulesSurvey(rate)


class RulesSurvey:
    """A survey by rules."""

    def __init__(self, rate: int) -> None:
        self.rate, self.levels = rate, BandLevels(rate)

    def add(self, block: Tensor) -> None:
        """Take the next block `[channel, time]`."""
        self.levels.add(block)

    def finish(self) -> BandwidthTrack:
        """One segment."""
        return BandwidthTrack.constant(find_bandwidth(self.levels.finish(), self.rate))
