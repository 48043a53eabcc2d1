"""For models with weights: checkpoints with their cards, initial weights, precision, devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upscaler_core.lazy import lazy_exports
from upscaler_core.models.checkpoint import (
    Card,
    Checkpoint,
    CheckpointOptions,
    ModelOptions,
    load_checkpoint,
    read_card,
    read_checkpoint,
    write_checkpoint,
)
from upscaler_core.models.device import choose_device

if TYPE_CHECKING:
    from upscaler_core.models.initialization import fixed_initialization
    from upscaler_core.models.precision import choose_dtype, computing, fast_at_bfloat16

__all__ = [
    "Card",
    "Checkpoint",
    "CheckpointOptions",
    "ModelOptions",
    "choose_device",
    "choose_dtype",
    "computing",
    "fast_at_bfloat16",
    "fixed_initialization",
    "load_checkpoint",
    "read_card",
    "read_checkpoint",
    "write_checkpoint",
]

_MODULES = {
    "choose_dtype": "precision",
    "computing": "precision",
    "fast_at_bfloat16": "precision",
    "fixed_initialization": "initialization",
}


def __getattr__(name: str) -> Any:
    return lazy_exports(__name__, _MODULES, name)
