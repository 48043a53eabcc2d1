"""The tags of MP4 files (M4A, M4B): what they say. Their chapters are read by the reader that decodes them."""

from __future__ import annotations

from typing import Any

from upscaler_core.files.tags.contents import Contents
from upscaler_core.files.tags.names import MP4_ATOMS
from upscaler_core.plugins.protocols import Picture

_NAMES = {atom: name for name, atom in MP4_ATOMS.items()}
_NUMBERS = {"rtng": "itunesadvisory", "stik": "itunesmediatype", "cnID": "itunescatalogid", "plID": "itunesalbumid"}
_NUMBERS |= {"atID": "itunesartistid", "geID": "itunesgenreid", "sfID": "itunescountryid", "cmID": "itunescomposerid"}


def from_mp4(tags: Any) -> Contents:
    """What mutagen's MP4 tags hold."""
    contents = Contents(pictures=[Picture("", 3, "", bytes(cover)) for cover in tags.get("covr", ())])
    for atom, values in tags.items():
        if atom in ("trkn", "disk"):
            numbers = [f"{number}/{total}" if total else str(number) for number, total in values if number]
            contents.texts.append((_NAMES[atom], numbers))
        elif atom.startswith("----:"):
            _take_free(atom, values, contents)
        elif isinstance(values, bool):
            contents.texts.append((_NAMES.get(atom, atom), [1] if values else []))
        elif atom != "covr":
            contents.texts.append((_NAMES.get(atom) or _NUMBERS.get(atom) or atom.strip("© ").lower(), values))
    contents.others += [f"the MP4 atom {atom.strip()}" for atom in getattr(tags, "_failed_atoms", ())]
    return contents


def _take_free(atom: str, values: Any, contents: Contents) -> None:
    """Add the texts of a `----` atom, which is called like `----:com.apple.iTunes:MusicBrainz Album Id`."""
    name = atom.split(":", 2)[-1]
    try:
        contents.texts.append((name, [bytes(value).decode().rstrip("\0") for value in values]))
    except UnicodeDecodeError:
        contents.others.append(f"the data '{name}'")
