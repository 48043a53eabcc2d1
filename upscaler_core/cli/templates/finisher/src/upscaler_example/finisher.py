"""A finisher: a constant gain on the finished signal.

`plan` returns a pure function on windows of one fixed shape, whose rows are the channels. The toolkit cuts signals and
streams into such windows, so that a file of any length goes through.
"""

from __future__ import annotations

from upscaler_core import Plan

from upscaler_example.plugin import GainOptions


class Gain:
    """The finisher."""

    def __init__(self, options: GainOptions) -> None:
        self.factor = 10 ** (options.gain_db / 20)

    def plan(self, rate: int) -> Plan:
        """Windows of a tenth of a second at `rate` Hz. An output sample depends on the input sample at its place alone."""
        return Plan(lambda windows, start: windows * self.factor, rate // 10, rate // 10, receptive_field=0)
