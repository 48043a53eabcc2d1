"""The attributes of Windows Media files (WMA, ASF): what they say."""

from __future__ import annotations

from typing import Any

from upscaler_core.files.tags.contents import Contents
from upscaler_core.files.tags.names import ASF_ATTRIBUTES
from upscaler_core.files.tags.ratings import from_windows_media
from upscaler_core.plugins.protocols import Picture

_NAMES = {attribute.lower(): name for name, attribute in ASF_ATTRIBUTES.items()}
_DATA = 1
"""mutagen's type of an attribute that is neither text nor a number."""


def from_asf(tags: Any) -> Contents:
    """What mutagen's ASF tags hold."""
    contents = Contents()
    for attribute, values in tags.as_dict().items():
        name = _NAMES.get(attribute.lower()) or attribute.removeprefix("WM/").replace("/", " ")
        if attribute == "WM/Picture":
            contents.pictures += [picture for value in values if (picture := _picture(bytes(value.value)))]
        elif any(getattr(value, "TYPE", None) in (_DATA, 6) for value in values):
            contents.others.append(f"the data '{attribute}'")
        elif name == "rating":
            contents.texts.append((name, [from_windows_media(str(value)) for value in values]))
        elif name == "compilation":
            contents.texts.append((name, ["1"] if str(values[0]) in ("True", "1") else []))
        else:
            contents.texts.append((name, [str(value) for value in values]))
    return contents


def _picture(data: bytes) -> Picture | None:
    """A picture: its type, its size in 4 bytes, its MIME type and description in UTF-16 with a null at the end, itself."""
    texts, position = [], 5
    for _ in range(2):
        end = next((k for k in range(position, len(data) - 1, 2) if data[k : k + 2] == b"\0\0"), None)
        if end is None:
            return None
        texts.append(data[position:end].decode("utf-16-le", "replace"))
        position = end + 2
    return Picture(texts[0], data[0], texts[1], data[position : position + int.from_bytes(data[1:5], "little")])
