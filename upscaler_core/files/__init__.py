"""Audio files: finding, opening, tags, deciding the output, writing it whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upscaler_core.atomic import atomic_write
from upscaler_core.lazy import lazy_exports

if TYPE_CHECKING:
    from upscaler_core.files.inputs import audio_suffixes, find_inputs
    from upscaler_core.files.recording import Recording, open_recording
    from upscaler_core.files.tags import ID3_FRAMES

__all__ = ["ID3_FRAMES", "Recording", "atomic_write", "audio_suffixes", "find_inputs", "open_recording"]

_MODULES = {
    "ID3_FRAMES": "tags",
    "Recording": "recording",
    "audio_suffixes": "inputs",
    "find_inputs": "inputs",
    "open_recording": "recording",
}


def __getattr__(name: str) -> Any:
    return lazy_exports(__name__, _MODULES, name)
