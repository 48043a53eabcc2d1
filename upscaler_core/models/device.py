"""The device on which models run."""

from __future__ import annotations

from upscaler_core.errors import UsageError


def choose_device(device: str) -> str:
    """Turn the setting `auto`, or a device as torch names it (`cpu`, `cuda:1`, `mps`, `xpu`), into a device.

    `auto` becomes `cuda` where there is a CUDA device, otherwise `cpu`.

    Raises:
        UsageError: torch knows no such device, or there is none here.
    """
    if device == "cpu":
        return device
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=device).cpu()
    except Exception:  # noqa: BLE001 - each kind of device has its own way to say that it is missing
        reason = (
            "there is no CUDA device here, or this torch is a CPU build"
            if device == "cuda"
            else (f"there is no device '{device}' here, or torch does not know it")
        )
        raise UsageError(f"{reason}: use --device cpu") from None
    return device
