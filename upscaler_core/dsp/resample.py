"""Applies a resampler to complete signals and to streams."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from upscaler_core.dsp.plan import Plan
from upscaler_core.dsp.streaming import Stream, run
from upscaler_core.errors import UsageError


class PlansResampling(Protocol):
    """What `Resample` needs from a resampler: see `plugins.protocols.Resampler`."""

    def plan(self, rate_in: int, rate_out: int) -> Plan:
        """The windowed function from `rate_in` to `rate_out`, Hz."""
        ...


class Resample:
    """Applies a resampler to complete signals and to streams; `discover().resampler(name)` returns one.

    Shape:
        `[batch, channel, time]` (or fewer leading dimensions) -> the same with `ceil(time * rate_out / rate_in)`
        samples. The dtype, float32 or float64, is kept.
    """

    def __init__(self, resampler: PlansResampling) -> None:
        self.resampler = resampler
        self._plans: dict[tuple[int, int], Plan] = {}

    def plan(self, rate_in: int, rate_out: int) -> Plan:
        """The plan for a pair of rates in Hz. It is made once."""
        pair = (integer_rate(rate_in), integer_rate(rate_out))
        if pair not in self._plans:
            self._plans[pair] = self.resampler.plan(*pair)
        return self._plans[pair]

    def __call__(self, x: Tensor, rate_in: int, rate_out: int) -> Tensor:
        """Resample a complete signal. The result has the same bits as the stream's.

        Raises:
            UsageError: the dtype is neither float32 nor float64, or a rate is not a positive integer.
        """
        if not x.is_floating_point() or x.dtype not in (torch.float32, torch.float64):
            raise UsageError(f"audio must be float32 or float64 at full scale ±1.0, not {x.dtype}")
        flat = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
        if rate_in == rate_out or not x.numel():
            return x.clone()
        # The result is computed in place: if all blocks were joined at the end, the memory would double. numpy allocates
        # it, because numpy requests huge pages: the first access to small pages can take as long as resampling does.
        size = flat.shape[0], -(-x.shape[-1] * integer_rate(rate_out) // integer_rate(rate_in))
        out = torch.from_numpy(np.empty(size, np.float32 if x.dtype == torch.float32 else np.float64))
        for block in run(self.plan(rate_in, rate_out), [flat], out=out):
            last = block
        out[:, size[1] - last.shape[-1] :] = last
        return out.reshape(*x.shape[:-1], out.shape[-1])

    def stream(self, stream: Stream, rate_in: int, rate_out: int) -> Iterator[Tensor]:
        """Resample blocks `[channel, time]` one by one. If the rates are equal, the blocks stay unchanged."""
        if rate_in == rate_out:
            yield from stream
        else:
            yield from run(self.plan(rate_in, rate_out), stream)


def integer_rate(rate: float) -> int:
    """A sample rate, Hz, of any type of number.

    Raises:
        UsageError: it is not a whole number above 0.
    """
    if not (isinstance(rate, numbers.Real) and math.isfinite(rate) and rate == int(rate) and rate > 0):
        raise UsageError(f"a sample rate is a whole number of Hz above 0, not {rate!r}")
    return int(rate)
