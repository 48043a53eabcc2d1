"""APEv2 tags, as WavPack, Monkey's Audio, Musepack and some MP3 files have them: what they say."""

from __future__ import annotations

from typing import Any

from upscaler_core.files.tags.contents import Contents
from upscaler_core.plugins.protocols import Picture

_PICTURES = {"front": 3, "back": 4, "leaflet": 5, "media": 6, "artist": 8, "icon": 1}


def from_ape(tags: Any) -> Contents:
    """What mutagen's APEv2 tag holds."""
    from mutagen import apev2

    contents = Contents()
    for name, value in tags.items():
        if value.kind == apev2.TEXT:
            contents.texts.append((name, list(value)))
        elif value.kind == apev2.EXTERNAL:
            contents.texts.append((name, [str(value)]))
        elif name.lower().startswith("cover art"):
            # A cover begins with its file's name.
            kind = name.lower().removeprefix("cover art").strip(" ()")
            contents.pictures.append(Picture("", _PICTURES.get(kind, 0), "", value.value.partition(b"\0")[2]))
        else:
            contents.others.append(f"the data '{name}'")
    return contents
