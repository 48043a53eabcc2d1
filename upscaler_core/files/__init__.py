"""Audio files: finding and opening them, their tags, deciding about outputs, and writing a file completely or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upscaler_core.atomic import atomic_write
from upscaler_core.lazy import lazy_exports

if TYPE_CHECKING:
    from upscaler_core.files.cutoffs import (
        CutoffList,
        GivenCutoff,
        GivenCutoffs,
        cutoff_of,
        given_track,
        read_cutoffs,
        refuse_existing,
        write_cutoffs,
    )
    from upscaler_core.files.decoder_messages import DecoderMessages, caught_messages
    from upscaler_core.files.inputs import audio_suffixes, find_inputs, matching_paths, search_folder
    from upscaler_core.files.recording import Recording, open_recording
    from upscaler_core.files.tags.names import ID3_FRAMES
    from upscaler_core.files.tags.restoration import Restoration, made_by, restoration_of
    from upscaler_core.files.tags.vorbis import vorbis_comments
    from upscaler_core.files.tags.writing import (
        basic_id3_tag,
        basic_tags,
        id3_tag,
        tag_flac,
        tag_ogg,
        wav_chunks,
    )

__all__ = [
    "ID3_FRAMES",
    "CutoffList",
    "DecoderMessages",
    "GivenCutoff",
    "GivenCutoffs",
    "Recording",
    "Restoration",
    "atomic_write",
    "audio_suffixes",
    "basic_id3_tag",
    "basic_tags",
    "caught_messages",
    "cutoff_of",
    "find_inputs",
    "given_track",
    "id3_tag",
    "made_by",
    "matching_paths",
    "open_recording",
    "read_cutoffs",
    "refuse_existing",
    "restoration_of",
    "search_folder",
    "tag_flac",
    "tag_ogg",
    "vorbis_comments",
    "wav_chunks",
    "write_cutoffs",
]

_MODULES = {
    "ID3_FRAMES": "tags.names",
    "CutoffList": "cutoffs",
    "DecoderMessages": "decoder_messages",
    "GivenCutoff": "cutoffs",
    "GivenCutoffs": "cutoffs",
    "Recording": "recording",
    "Restoration": "tags.restoration",
    "audio_suffixes": "inputs",
    "basic_id3_tag": "tags.writing",
    "basic_tags": "tags.writing",
    "caught_messages": "decoder_messages",
    "cutoff_of": "cutoffs",
    "find_inputs": "inputs",
    "given_track": "cutoffs",
    "id3_tag": "tags.writing",
    "made_by": "tags.restoration",
    "matching_paths": "inputs",
    "open_recording": "recording",
    "read_cutoffs": "cutoffs",
    "refuse_existing": "cutoffs",
    "restoration_of": "tags.restoration",
    "search_folder": "inputs",
    "tag_flac": "tags.writing",
    "tag_ogg": "tags.writing",
    "vorbis_comments": "tags.vorbis",
    "wav_chunks": "tags.writing",
    "write_cutoffs": "cutoffs",
}


def __getattr__(name: str) -> Any:
    return lazy_exports(__name__, _MODULES, name)
