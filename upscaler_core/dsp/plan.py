"""The record by which resamplers, filters and finishers describe their work, so that the core can apply it to streams."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, init=False)
class Plan:
    """A pure function on windows of one fixed shape, with a declared receptive field.

    The stream is cut on a grid that is fixed from sample 0. Window k holds the input samples
    `[k*block_in - receptive_field, (k+1)*block_in + receptive_field)`, with zeros beyond the ends. It yields the output
    samples `[k*block_out, (k+1)*block_out)`.

    Args:
        function: `(windows [rows, receptive_field + block_in + receptive_field], start) -> [rows, block_out]`. `start` is
            the index of the first output sample of the first row; only a function that uses `noise` needs it. The result
            has the windows' dtype and depends on nothing but the arguments.
        block_in: input samples from one window to the next.
        block_out: output samples that one window yields. The delay is 0: output n stands at input time
            n*block_in/block_out.
        receptive_field: input samples on each side of an output sample that it can depend on.
        rows: windows in each call. The number never changes, because the last bits of a batched FFT or GEMM change with
            it. For a resampler the rows are successive windows of one channel. For a finisher, which may couple channels,
            they are the channels of one window, and this number is ignored.
    """

    function: Callable[[Tensor, int], Tensor]
    block_in: int
    block_out: int
    receptive_field: int
    rows: int = 1

    def __init__(
        self,
        function: Callable[[Tensor, int], Tensor],
        block_in: int,
        block_out: int,
        receptive_field: int | None = None,
        rows: int = 1,
        *,
        reach: int | None = None,
    ) -> None:
        if reach is not None:  # until version 0.3, like the old names in plugins/compatibility.py
            _warn("Plan(reach=)")
            receptive_field = reach
        if receptive_field is None:
            raise TypeError("Plan() needs the argument receptive_field")
        values = (function, block_in, block_out, receptive_field, rows)
        for name, value in zip(self.__dataclass_fields__, values, strict=True):
            object.__setattr__(self, name, value)

    @property
    def reach(self) -> int:
        """The old name of `receptive_field`."""
        _warn("Plan.reach")
        return self.receptive_field


def _warn(old: str) -> None:
    message = f"{old} is now called receptive_field; the old name is gone in version 0.3"
    warnings.warn(message, DeprecationWarning, stacklevel=3)
