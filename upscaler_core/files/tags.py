"""Tags and pictures that a file carries, read by mutagen, where it is installed.

Names are those of Vorbis comments in lower case, whatever the format. Left out is what holds for the old audio only:
ReplayGain and its kin, gapless data, the encoder. Without mutagen the texts that a reader knows travel alone.

mutagen is under the GPL, so it is optional, and imported only where it is used.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from upscaler_core.plugins.protocols import AudioInfo, Picture

Texts = dict[str, tuple[str, ...]]
Found = tuple[list[tuple[str, Sequence[Any]]], list[Picture]]

ID3_FRAMES = {
    "title": "TIT2",
    "artist": "TPE1",
    "album": "TALB",
    "albumartist": "TPE2",
    "composer": "TCOM",
    "conductor": "TPE3",
    "remixer": "TPE4",
    "lyricist": "TEXT",
    "date": "TDRC",
    "originaldate": "TDOR",
    "tracknumber": "TRCK",
    "discnumber": "TPOS",
    "discsubtitle": "TSST",
    "genre": "TCON",
    "grouping": "TIT1",
    "subtitle": "TIT3",
    "copyright": "TCOP",
    "label": "TPUB",
    "isrc": "TSRC",
    "bpm": "TBPM",
    "key": "TKEY",
    "language": "TLAN",
    "mood": "TMOO",
    "media": "TMED",
    "compilation": "TCMP",
    "titlesort": "TSOT",
    "artistsort": "TSOP",
    "albumsort": "TSOA",
    "albumartistsort": "TSO2",
    "composersort": "TSOC",
}
_ATOMS = {
    "title": "©nam",
    "artist": "©ART",
    "album": "©alb",
    "albumartist": "aART",
    "composer": "©wrt",
    "date": "©day",
    "tracknumber": "trkn",
    "discnumber": "disk",
    "genre": "©gen",
    "grouping": "©grp",
    "comment": "©cmt",
    "copyright": "cprt",
    "lyrics": "©lyr",
    "bpm": "tmpo",
    "compilation": "cpil",
    "titlesort": "sonm",
    "artistsort": "soar",
    "albumsort": "soal",
    "albumartistsort": "soaa",
    "composersort": "soco",
}
_ALIASES = {
    "album artist": "albumartist",
    "album_artist": "albumartist",
    "year": "date",
    "track": "tracknumber",
    "totaltracks": "tracktotal",
    "disc": "discnumber",
    "totaldiscs": "disctotal",
    "description": "comment",
    "unsyncedlyrics": "lyrics",
    "organization": "label",
    "publisher": "label",
}
_TOTALS = {"tracknumber": "tracktotal", "discnumber": "disctotal"}
_LEFT_OUT = re.compile(
    r"replaygain.*|r128_.*|mp3gain_.*|itunnorm|itunsmpb|itunpgap|encod(er|ed|ing).*|software|tool|length"
    r"|waveformatextensible_channel_mask|metadata_block_picture|coverart.*"
)
_NAME = re.compile(r"[ -<>-}]{1,100}")  # what a Vorbis comment can be called
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d([T ]\d\d(:\d\d(:\d\dZ?)?)?)?)?)?")  # what an ID3 date can say

_LARGEST_PICTURE = (1 << 24) - (1 << 16)  # bytes; a FLAC file holds 16 MiB with the heading
_MOST_PICTURES = 8
_IMAGES = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"BM": "image/bmp",
    b"RIFF": "image/webp",
}


def complete(info: AudioInfo, path: Path) -> AudioInfo:
    """What a reader tells of a file, with its tags made uniform, and those that only mutagen finds."""
    texts, pictures = read(path) or ([], info.pictures)
    tags = {**_kept_texts(info.tags.items()), **_kept_texts(texts)}
    return replace(info, tags=tags, pictures=_kept_pictures(pictures))


def read(path: Path) -> Found | None:
    """What a file's tags say; None without mutagen, without tags, and where the tags are damaged or unknown."""
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
    except Exception:  # noqa: BLE001 — whatever stands in a tag, the audio can still be read
        return None


def _plain_frames() -> dict[str, Any]:
    """mutagen's ID3 frames, but a compressed one is left alone: mutagen sets no limit, and 0.4 MB can become 1.2 GB."""
    from mutagen.id3 import Frame, Frames, Frames_2_2

    class Plain:
        @classmethod
        def _fromData(cls, header: Any, flags: int, data: bytes) -> Any:
            if flags & (Frame.FLAG23_COMPRESS | Frame.FLAG24_COMPRESS):
                raise NotImplementedError  # by which mutagen knows a frame that it cannot read
            return super()._fromData(header, flags, data)  # type: ignore[misc]

    return {**Frames_2_2, **{name: type(name, (Plain, frame), {}) for name, frame in Frames.items()}}


def _kept_texts(tags: Iterable[tuple[str, Iterable[Any]]]) -> Texts:
    """The tags that are carried over: names made uniform, text that is valid UTF-8, no value twice."""
    kept: Texts = {}
    for name, values in tags:
        name = _ALIASES.get(name.lower(), name.lower())
        texts = (str(value).replace("\0", "").encode("utf-8", "replace").decode() for value in values)
        found = tuple(dict.fromkeys((*kept.get(name, ()), *filter(None, texts))))
        if found and _NAME.fullmatch(name) and not _LEFT_OUT.fullmatch(name):
            kept[name] = found
    for number, total in _TOTALS.items():
        of = kept.pop(total, ("",))[0]
        if of and number in kept and "/" not in kept[number][0]:
            kept[number] = (f"{kept[number][0]}/{of}",)
    return kept


def _kept_pictures(pictures: Iterable[Picture]) -> tuple[Picture, ...]:
    """The pictures that every format can hold, with what their first bytes say they are."""
    kept: list[Picture] = []
    for picture in pictures:
        mime = next((mime for magic, mime in _IMAGES.items() if picture.data.startswith(magic)), picture.mime)
        about = picture.description.replace("\0", "").encode("utf-8", "replace").decode()[:1_000]
        kind = picture.kind if 0 <= picture.kind <= 20 else 0
        if mime.startswith("image/") and mime.isascii() and 0 < len(picture.data) <= _LARGEST_PICTURE:
            kept.append(Picture(mime[:100], kind, about, picture.data))
    return tuple(kept[:_MOST_PICTURES])


def _from_id3(tags: Any) -> Found:
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


def _from_mp4(tags: Any) -> Found:
    names = {atom: name for name, atom in _ATOMS.items()}
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


def _from_vorbis(file: Any) -> Found:
    texts = file.tags.as_dict()
    blocks = [*getattr(file, "pictures", ()), *_decoded(texts.get("metadata_block_picture", ()))]
    return list(texts.items()), [Picture(block.mime, block.type, block.desc, block.data) for block in blocks]


def _decoded(blocks: Iterable[str]) -> Iterator[Any]:
    from mutagen.flac import Picture as Block
    from mutagen.flac import error

    for block in blocks:
        try:
            yield Block(base64.b64decode(block))
        except (ValueError, error):
            continue
