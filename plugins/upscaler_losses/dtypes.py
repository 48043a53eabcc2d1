"""What losses compute in: float32 at least, whatever autocast makes of the estimates."""

from __future__ import annotations

from torch import Tensor


def wide(x: Tensor) -> Tensor:
    """bfloat16 and float16 become float32; float32 and float64 stay."""
    return x.float() if x.dtype.itemsize < 4 else x
