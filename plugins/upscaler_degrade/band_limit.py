"""`band-limit`: the end of the band, as many filters would have made it (white paper §3.2, and wider).

A model that has seen one filter in training leaves a hole, or a bump, at the edge of any other; so kind, order, ripple
and steepness are drawn with the cut-off. The filter is applied as a gain in the frequency domain, with zero phase: the
damaged audio stays aligned with its target, whatever the kind.
"""

from __future__ import annotations

import torch
from torch import Tensor

from upscaler_core import Degraded
from upscaler_degrade.chance import choice, integer, log_uniform, uniform
from upscaler_degrade.options import BandLimitOptions
from upscaler_degrade.responses import Response
from upscaler_degrade.spectrum import filtered


class BandLimit:
    """The degradation `band-limit`. A drawn cut-off from the Nyquist frequency on leaves the audio as it is."""

    def __init__(self, options: BandLimitOptions) -> None:
        self.options = options

    def __call__(self, x: Tensor, rate: int, generator: torch.Generator) -> Degraded:
        """Filter `[channel, time]`; `bandwidth_hz` is the −6 dB point of the response."""
        response = self.draw(generator)
        drawn: dict[str, float | str] = {**vars(response)}
        if response.cutoff_hz >= rate / 2:
            return Degraded(x.clone(), None, drawn)
        return Degraded(filtered(x, rate, lambda f: response.gain(f, rate)), response.cutoff_hz, drawn)

    def draw(self, generator: torch.Generator) -> Response:
        """Draw a filter; always the same number of draws, whatever the kind."""
        o = self.options
        kind = choice(generator, o.kinds)
        order = integer(generator, o.min_order, o.max_order)
        return Response(
            kind,
            log_uniform(generator, o.min_hz, o.max_hz),
            1 << (order.bit_length() - 1) if kind == "elliptic" else order,
            uniform(generator, o.min_ripple_db, o.max_ripple_db),
            uniform(generator, o.min_attenuation_db, o.max_attenuation_db),
            log_uniform(generator, o.min_transition, o.max_transition),
        )
