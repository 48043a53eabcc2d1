"""The dtype in which losses are computed: at least float32, also if autocast makes the estimates bfloat16."""

from __future__ import annotations

from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """Convert bfloat16 and float16 to float32; float32 and float64 stay as they are."""
    return x.float() if x.dtype.itemsize < 4 else x
