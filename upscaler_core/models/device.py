"""Where models run."""

from __future__ import annotations

from upscaler_core.errors import UsageError


def choose_device(device: str) -> str:
    """`auto` becomes `cuda` where there is one.

    Raises:
        UsageError: CUDA was asked for and is not there.
    """
    if device == "cpu":
        return device
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if device == "cuda":
        raise UsageError("there is no CUDA device here, or this torch is a CPU build: use --device cpu")
    return "cpu"
