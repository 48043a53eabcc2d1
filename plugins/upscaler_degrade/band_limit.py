"""`band-limit`: a random low-pass filter out of many kinds (white paper §3.2, with a wider range).

A model that has seen only one filter in training leaves a hole or a bump at the edge of any other filter. Therefore the
kind, order, ripple and steepness are random as well as the cut-off. The filter is applied as a gain in the frequency
domain, with zero phase, so that the damaged audio stays aligned with its target for every kind.
"""

from __future__ import annotations

import torch
from torch import Tensor

from upscaler_core import Degraded
from upscaler_degrade.frequency_domain import filter_zero_phase
from upscaler_degrade.low_pass import LowPass
from upscaler_degrade.options import BandLimitOptions
from upscaler_degrade.random_numbers import choice, integer, log_uniform, uniform


class BandLimit:
    """The degradation `band-limit`. A cut-off at or above the Nyquist frequency leaves the audio as it is."""

    def __init__(self, options: BandLimitOptions) -> None:
        self.options = options

    def __call__(self, x: Tensor, rate: int, generator: torch.Generator) -> Degraded:
        """Filter `[channel, time]`; the result's `bandwidth_hz` is the −6 dB point of the filter."""
        low_pass = self.draw(generator)
        parameters: dict[str, float | str] = {**vars(low_pass)}
        if low_pass.cutoff_hz >= rate / 2:
            return Degraded(x.clone(), None, parameters)
        return Degraded(filter_zero_phase(x, rate, lambda f: low_pass.gain(f, rate)), low_pass.cutoff_hz, parameters)

    def draw(self, generator: torch.Generator) -> LowPass:
        """Draw a filter. Every kind takes the same number of random numbers from the generator."""
        o = self.options
        kind = choice(generator, o.kinds)
        order = integer(generator, o.min_order, o.max_order)
        return LowPass(
            kind,
            log_uniform(generator, o.min_hz, o.max_hz),
            1 << (order.bit_length() - 1) if kind == "elliptic" else order,
            uniform(generator, o.min_ripple_db, o.max_ripple_db),
            uniform(generator, o.min_attenuation_db, o.max_attenuation_db),
            log_uniform(generator, o.min_transition, o.max_transition),
        )
