"""A metric: the ratio of the target's power to the error's, in dB."""

from __future__ import annotations

from torch import Tensor

from upscaler_example.plugin import SnrOptions


class Snr:
    """The metric."""

    unit = "dB"
    higher_is_better = True

    def __init__(self, options: SnrOptions) -> None:
        self.least = 10 ** (-options.ceiling_db / 10)

    def __call__(self, estimate: Tensor, target: Tensor, rate: int) -> Tensor:
        """Two `[batch, channel, time]` at `rate` Hz -> `[batch]`, dB."""
        signal, noise = (x.double().square().mean((1, 2)) for x in (target, estimate - target))
        return -10 * (noise / signal).clamp(min=self.least).log10()
