"""What a file holds beside its audio, as its format has it. Formats' readers fill it, and `reading.py` makes it uniform."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from upscaler_core.plugins.protocols import Chapter, Picture


@dataclass
class Contents:
    """The contents of one kind of tag."""

    texts: list[tuple[str, Sequence[Any]]] = field(default_factory=list)
    """Texts by a format's or a user's names."""
    pictures: list[Picture] = field(default_factory=list)
    chapters: list[Chapter] = field(default_factory=list)
    chunks: dict[str, bytes] = field(default_factory=dict)
    """As in `AudioInfo.chunks`."""
    others: list[str] = field(default_factory=list)
    """What has no place in the other fields, in words."""


def decode_text(data: bytes, code_page: str = "cp1252") -> str:
    """A text of unknown encoding, up to its first null character: UTF-8 where it is valid, else the code page.

    >>> decode_text("Größe".encode()), decode_text("Größe".encode("cp1252"))
    ('Größe', 'Größe')
    """
    data = data.partition(b"\0")[0].rstrip()
    for encoding in ("utf-8", code_page):
        try:
            return data.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return data.decode("latin-1")
