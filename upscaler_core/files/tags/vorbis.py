"""Vorbis comments and the pictures beside them, as FLAC, Ogg Vorbis and Opus have them: what they say, and making them."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable, Iterator
from typing import Any

from upscaler_core.files.tags.chapters import chapter_comments
from upscaler_core.files.tags.contents import Contents
from upscaler_core.files.tags.iff import take_chunk
from upscaler_core.files.tags.names import TOTALS
from upscaler_core.plugins.protocols import AudioInfo, Picture

_APPLICATION = 2
"""Type of a FLAC block that belongs to another program. `flac --keep-foreign-metadata` keeps a WAV file's chunks in some."""


def from_vorbis(file: Any) -> Contents:
    """What mutagen's file holds."""
    texts = file.tags.as_dict() if file.tags else {}
    blocks = [*getattr(file, "pictures", ()), *_picture_blocks(texts.get("metadata_block_picture", ()))]
    contents = Contents([*texts.items()], [Picture(block.mime, block.type, block.desc, block.data) for block in blocks])
    if not blocks:
        contents.pictures += _old_covers(texts)
    if getattr(file, "cuesheet", None):
        contents.others.append("the cue sheet")
    for block in getattr(file, "metadata_blocks", ()):
        if block.code == _APPLICATION:
            _take_application(block.data, contents)
    return contents


def _picture_blocks(blocks: Iterable[str]) -> Iterator[Any]:
    from mutagen.flac import Picture as Block
    from mutagen.flac import error

    for block in blocks:
        try:
            yield Block(base64.b64decode(block))
        except (ValueError, error):
            continue


def _old_covers(texts: dict[str, list[str]]) -> Iterator[Picture]:
    """The covers of the time before pictures had a form of their own."""
    for text in texts.get("coverart", ()):
        try:
            yield Picture("", 3, "", base64.b64decode(text))
        except ValueError:
            continue


def _take_application(data: bytes, contents: Contents) -> None:
    name = data[:4].decode("latin-1")
    if name == "riff":
        size = int.from_bytes(data[8:12], "little")
        take_chunk(data[4:8].decode("latin-1"), data[12 : 12 + size], contents)
    elif name not in ("aiff", "w64 "):
        contents.others.append(f"data of another program ({name.strip()})")


def vorbis_comments(source: AudioInfo) -> dict[str, list[str]]:
    """All texts, chapters and pictures as Vorbis comments, as Ogg Vorbis and Opus hold them.

    Names are in upper case, totals apart.

    >>> vorbis_comments(AudioInfo(48_000, 2, None, "FLAC", tags={"artist": ["A", "B"], "tracknumber": ["3/12"]}))
    {'ARTIST': ['A', 'B'], 'TRACKNUMBER': ['3'], 'TRACKTOTAL': ['12']}
    """
    blocks = [base64.b64encode(picture_block(picture)).decode() for picture in source.pictures]
    return {**text_comments(source), **({"METADATA_BLOCK_PICTURE": blocks} if blocks else {})}


def text_comments(source: AudioInfo) -> dict[str, list[str]]:
    """The same without pictures, for which FLAC has a place of its own."""
    comments: dict[str, list[str]] = {}
    for name, values in source.tags.items():
        number, slash, total = values[0].partition("/") if values else ("", "", "")
        if name in TOTALS and slash and total:
            comments[name.upper()], comments[TOTALS[name].upper()] = [number], [total]
        else:
            comments[name.upper()] = list(values)
    return {**comments, **chapter_comments(source.chapters)}


def picture_block(picture: Picture) -> bytes:
    """A picture as FLAC holds it: RFC 9639, 8.8. Width, height, depth and number of colours are 0, which means unknown."""
    mime, description = picture.mime.encode(), picture.description.encode()
    return b"".join((
        struct.pack(">II", picture.kind, len(mime)), mime,
        struct.pack(">I", len(description)), description,
        bytes(16), struct.pack(">I", len(picture.data)), picture.data,
    ))  # fmt: skip
