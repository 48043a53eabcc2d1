"""Audio files: finding and opening them, their tags, deciding about outputs, and writing a file completely or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upscaler_core.atomic import atomic_write
from upscaler_core.lazy import lazy_exports

if TYPE_CHECKING:
    from upscaler_core.files.inputs import audio_suffixes, find_inputs
    from upscaler_core.files.recording import Recording, open_recording
    from upscaler_core.files.tags.names import ID3_FRAMES
    from upscaler_core.files.tags.writing import (
        basic_id3_tag,
        basic_tags,
        id3_tag,
        tag_flac,
        tag_ogg,
        vorbis_comments,
    )

__all__ = [
    "ID3_FRAMES",
    "Recording",
    "atomic_write",
    "audio_suffixes",
    "basic_id3_tag",
    "basic_tags",
    "find_inputs",
    "id3_tag",
    "open_recording",
    "tag_flac",
    "tag_ogg",
    "vorbis_comments",
]

_MODULES = {
    "ID3_FRAMES": "tags.names",
    "Recording": "recording",
    "audio_suffixes": "inputs",
    "basic_id3_tag": "tags.writing",
    "basic_tags": "tags.writing",
    "find_inputs": "inputs",
    "id3_tag": "tags.writing",
    "open_recording": "recording",
    "tag_flac": "tags.writing",
    "tag_ogg": "tags.writing",
    "vorbis_comments": "tags.writing",
}


def __getattr__(name: str) -> Any:
    return lazy_exports(__name__, _MODULES, name)
