"""The device on which models run."""

from __future__ import annotations

from upscaler_core.errors import UsageError


def choose_device(device: str) -> str:
    """Turn the setting `cpu`, `cuda` or `auto` into a device. `auto` becomes `cuda` where there is a CUDA device.

    Raises:
        UsageError: the setting is `cuda`, and there is no CUDA device.
    """
    if device == "cpu":
        return device
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if device == "cuda":
        raise UsageError("there is no CUDA device here, or this torch is a CPU build: use --device cpu")
    return "cpu"
