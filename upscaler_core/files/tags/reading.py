"""Reads the tags and pictures of a file by mutagen, where it is installed. Without it only a reader's own texts travel.

mutagen is under the GPL, so it is optional, and imported only inside functions.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from upscaler_core.files.tags.names import ALIASES, ID3_FRAMES, MP4_ATOMS, OF_THE_OLD_AUDIO, TOTALS, VORBIS_NAME
from upscaler_core.files.tags.restoration import NAME, Restoration
from upscaler_core.plugins.protocols import AudioInfo, Picture

Tags = tuple[list[tuple[str, Sequence[Any]]], list[Picture]]
"""Texts by a format's or a user's names, and pictures, as a file has them."""

LARGEST_PICTURE = (1 << 24) - (1 << 16)
"""Bytes of the largest picture that is carried over: a block of a FLAC file holds 16 MiB with its header."""
MOST_PICTURES = 8
"""Pictures of one file that are carried over."""

_IMAGES = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"BM": "image/bmp",
    b"RIFF": "image/webp",
}


def complete_tags(info: AudioInfo, path: Path) -> AudioInfo:
    """Add the tags and pictures that only mutagen reads to what a reader says of a file, and make all of them uniform."""
    texts, pictures = read_tags(path) or ([], info.pictures)
    tags = {**_uniform_texts(info.tags.items()), **_uniform_texts(texts)}
    return replace(info, tags=tags, pictures=_valid_pictures(pictures))


def read_tags(path: Path) -> Tags | None:
    """The tags of a file; None without mutagen, without tags, and where the tags are damaged or unknown."""
    try:
        from mutagen import File
        from mutagen.aiff import AIFF
        from mutagen.flac import FLAC
        from mutagen.id3 import ID3
        from mutagen.mp4 import MP4
        from mutagen.oggflac import OggFLAC
        from mutagen.oggopus import OggOpus
        from mutagen.oggvorbis import OggVorbis
        from mutagen.wave import WAVE
    except ImportError:
        return None
    try:
        with path.open("rb") as opened:
            magic = opened.read(4)
        if magic in (b"RIFF", b"FORM"):
            return _from_id3((WAVE if magic == b"RIFF" else AIFF)(path, known_frames=_plain_frames()).tags)
        file = File(path, [FLAC, OggVorbis, OggOpus, OggFLAC, MP4])
        if file is None:
            return _from_id3(ID3(path, known_frames=_plain_frames()))
        return _from_mp4(file.tags) if isinstance(file, MP4) else _from_vorbis(file)
    except Exception:  # noqa: BLE001 - whatever is in a tag, the audio can still be read
        return None


def _uniform_texts(tags: Iterable[tuple[str, Iterable[Any]]]) -> dict[str, tuple[str, ...]]:
    """The tags that are carried over, under uniform names, in valid UTF-8, and with no value twice."""
    uniform: dict[str, tuple[str, ...]] = {}
    for name, values in tags:
        name = ALIASES.get(name.lower(), name.lower())
        texts: Iterator[str] = (str(value).replace("\0", "").encode("utf-8", "replace").decode() for value in values)
        if name == "software":  # so written where there is no mutagen; other programs' names are not carried over
            name, texts = NAME, _restorations(texts)
        distinct = tuple(dict.fromkeys((*uniform.get(name, ()), *filter(None, texts))))
        if distinct and VORBIS_NAME.fullmatch(name) and not OF_THE_OLD_AUDIO.fullmatch(name):
            uniform[name] = distinct
    for number, total in TOTALS.items():
        count = uniform.pop(total, ("",))[0]
        if count and number in uniform and "/" not in uniform[number][0]:
            uniform[number] = (f"{uniform[number][0]}/{count}",)
    return uniform


def _restorations(texts: Iterable[str]) -> Iterator[str]:
    """Those of a file's programs that restored it, as `restoration.Restoration` writes them."""
    return (str(found) for text in texts if (found := Restoration.parse(text)))


def _valid_pictures(pictures: Iterable[Picture]) -> tuple[Picture, ...]:
    """The pictures that every format can hold. Where their first bytes are known, these decide the MIME type."""
    valid: list[Picture] = []
    for picture in pictures:
        mime = next((mime for magic, mime in _IMAGES.items() if picture.data.startswith(magic)), picture.mime)
        description = picture.description.replace("\0", "").encode("utf-8", "replace").decode()[:1_000]
        kind = picture.kind if 0 <= picture.kind <= 20 else 0
        if mime.startswith("image/") and mime.isascii() and 0 < len(picture.data) <= LARGEST_PICTURE:
            valid.append(Picture(mime[:100], kind, description, picture.data))
    return tuple(valid[:MOST_PICTURES])


def _from_id3(tags: Any) -> Tags:
    names = {frame: name for name, frame in ID3_FRAMES.items()}
    texts: list[tuple[str, Sequence[Any]]] = []
    for frame in tags.values():
        if frame.FrameID == "TCON":
            texts.append(("genre", frame.genres))  # with numbers replaced by their names
        elif frame.FrameID in names:
            texts.append((names[frame.FrameID], frame.text))
        elif frame.FrameID == "TXXX":
            texts.append((frame.desc, frame.text))
        elif frame.FrameID == "COMM" and frame.desc.lower() in ("", "comment", "description", "id3v1 comment"):
            texts.append(("comment", frame.text))
        elif frame.FrameID == "USLT":
            texts.append(("lyrics", [frame.text]))
    pictures = [Picture(frame.mime, int(frame.type), frame.desc, frame.data) for frame in tags.getall("APIC")]
    return texts, pictures


def _plain_frames() -> dict[str, Any]:
    """mutagen's ID3 frames, without unpacking compressed ones: mutagen sets no limit, and 0.4 MB can become 1.2 GB."""
    from mutagen.id3 import Frame, Frames, Frames_2_2

    class Plain:
        @classmethod
        def _fromData(cls, header: Any, flags: int, data: bytes) -> Any:
            if flags & (Frame.FLAG23_COMPRESS | Frame.FLAG24_COMPRESS):
                raise NotImplementedError  # tells mutagen that it cannot read this frame
            return super()._fromData(header, flags, data)  # type: ignore[misc]

    return {**Frames_2_2, **{name: type(name, (Plain, frame), {}) for name, frame in Frames.items()}}


def _from_mp4(tags: Any) -> Tags:
    names = {atom: name for name, atom in MP4_ATOMS.items()}
    texts: list[tuple[str, Sequence[Any]]] = []
    for atom, values in tags.items():
        if atom in ("trkn", "disk"):
            numbers = [f"{number}/{total}" if total else str(number) for number, total in values if number]
            texts.append((names[atom], numbers))
        elif atom == "cpil":
            texts.append(("compilation", [int(values)] if values else []))
        elif atom in names:
            texts.append((names[atom], values))
        elif atom.startswith("----:"):
            texts.append((atom.split(":")[-1], [bytes(value).decode("utf-8", "replace") for value in values]))
    return texts, [Picture("", 3, "", bytes(cover)) for cover in tags.get("covr", ())]


def _from_vorbis(file: Any) -> Tags:
    texts = file.tags.as_dict()
    blocks = [*getattr(file, "pictures", ()), *_picture_blocks(texts.get("metadata_block_picture", ()))]
    return list(texts.items()), [Picture(block.mime, block.type, block.desc, block.data) for block in blocks]


def _picture_blocks(blocks: Iterable[str]) -> Iterator[Any]:
    from mutagen.flac import Picture as Block
    from mutagen.flac import error

    for block in blocks:
        try:
            yield Block(base64.b64decode(block))
        except (ValueError, error):
            continue
