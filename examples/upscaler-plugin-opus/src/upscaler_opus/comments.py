"""A source's tags and pictures as Vorbis comments, which is what Opus has."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator

from upscaler_core import AudioInfo
from upscaler_core.plugins import Picture


def comments(source: AudioInfo) -> Iterator[str]:
    """`NAME=text`, one a value; track 3 of 12 as two of them; pictures as FLAC's blocks.

    >>> info = AudioInfo(48_000, 2, None, "FLAC", tags={"artist": ["A", "B"], "tracknumber": ["3/12"]})
    >>> list(comments(info))
    ['ARTIST=A', 'ARTIST=B', 'TRACKNUMBER=3', 'TRACKTOTAL=12']
    """
    for name, values in source.tags.items():
        number, slash, total = values[0].partition("/")
        if name in ("tracknumber", "discnumber") and slash and total:
            yield f"{name.upper()}={number}"
            yield f"{name.upper().replace('NUMBER', 'TOTAL')}={total}"
        else:
            yield from (f"{name.upper()}={value}" for value in values)
    for picture in source.pictures:
        yield f"METADATA_BLOCK_PICTURE={base64.b64encode(_block(picture)).decode()}"


def _block(picture: Picture) -> bytes:
    """RFC 9639, 8.8; a width, height, depth and number of colours of 0 are unknown ones."""
    mime, conditions = picture.mime.encode(), picture.description.encode()
    return b"".join((
        struct.pack(">II", picture.kind, len(mime)), mime,
        struct.pack(">I", len(conditions)), conditions,
        bytes(16), struct.pack(">I", len(picture.data)), picture.data,
    ))  # fmt: skip
