"""Tags and pictures by mutagen, where it is installed; without it the text that libsndfile knows travels alone.

Names are those of Vorbis comments in lower case, whatever the format; a name that ID3 has no frame for goes into a TXXX
frame. Left out is what holds for the old audio only: ReplayGain and its kin, gapless data, the encoder.

mutagen is under the GPL, so it is optional, and imported only where it is used.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from upscaler_core import AudioInfo, Picture

Texts = dict[str, tuple[str, ...]]
Made = TypeVar("Made")

_FRAMES = {
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


def read(path: Path) -> tuple[Texts, tuple[Picture, ...]] | None:
    """What a file's tags say; None without mutagen, without tags, and where the tags are damaged or unknown."""
    try:
        from mutagen import File
        from mutagen.aiff import AIFF
        from mutagen.flac import FLAC
        from mutagen.id3 import ID3
        from mutagen.mp3 import MP3
        from mutagen.mp4 import MP4, MP4Tags
        from mutagen.oggflac import OggFLAC
        from mutagen.oggopus import OggOpus
        from mutagen.oggvorbis import OggVorbis
        from mutagen.wave import WAVE
    except ImportError:
        return None
    try:
        file = File(path, [MP3, FLAC, OggVorbis, OggOpus, OggFLAC, WAVE, AIFF, MP4])
        if file is None or file.tags is None:
            return None
        if isinstance(file.tags, ID3):
            texts, pictures = _from_id3(file.tags)
        elif isinstance(file.tags, MP4Tags):
            texts, pictures = _from_mp4(file.tags)
        else:
            texts, pictures = _from_vorbis(file)
        return _kept_texts(texts), _kept_pictures(pictures)
    except Exception:  # noqa: BLE001 — whatever stands in a tag, the audio can still be read
        return None


def id3(source: AudioInfo | None) -> bytes | None:
    """An ID3v2.4 tag of the source's tags and pictures; empty for none, None where mutagen cannot make one."""
    return _made(_id3, source, b"")


def into_flac(source: AudioInfo | None) -> Callable[[BinaryIO], None] | None:
    """What gives a FLAC file the source's tags and pictures; None for none, and where mutagen cannot."""
    return _made(_into_flac, source, None)


def into_ogg(source: AudioInfo | None) -> Callable[[BinaryIO], None] | None:
    """What gives an Ogg Vorbis file the source's tags and pictures; None for none, and where mutagen cannot."""
    return _made(_into_ogg, source, None)


def _made(
    make: Callable[[Texts, Sequence[Picture]], Made], source: AudioInfo | None, nothing: Made | None
) -> Made | None:
    try:
        texts = _kept_texts(source.tags.items() if source else ())
        pictures = _kept_pictures(source.pictures if source else ())
        return make(texts, pictures) if texts or pictures else nothing
    except Exception:  # noqa: BLE001 — mutagen is missing, or a tag is odd, for which no conversion shall fail
        return None


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


# Reading


def _from_id3(tags: Any) -> tuple[list[tuple[str, Sequence[Any]]], list[Picture]]:
    names = {frame: name for name, frame in _FRAMES.items()}
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


def _from_mp4(tags: Any) -> tuple[list[tuple[str, Sequence[Any]]], list[Picture]]:
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


def _from_vorbis(file: Any) -> tuple[list[tuple[str, Sequence[Any]]], list[Picture]]:
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


# Writing


def _id3(texts: Texts, pictures: Sequence[Picture]) -> bytes:
    from mutagen import id3

    tag, utf8 = id3.ID3(), id3.Encoding.UTF8
    for name, values in texts.items():
        if name == "comment":
            tag.add(id3.COMM(utf8, "XXX", "", list(values)))  # in a language that is not known
        elif name == "lyrics":
            tag.add(id3.USLT(utf8, "XXX", "", "\n\n".join(values)))
        elif name in _FRAMES and (not name.endswith("date") or all(map(_DATE.fullmatch, values))):
            tag.add(getattr(id3, _FRAMES[name])(utf8, list(values)))
        else:
            tag.add(id3.TXXX(utf8, name, list(values)))
    for number, picture in enumerate(pictures):
        frame = id3.APIC(utf8, picture.mime, picture.kind, picture.description, picture.data)
        frame.salt = str(number)  # mutagen tells pictures apart by description alone
        tag.add(frame)
    buffer = io.BytesIO()
    tag.save(buffer, v1=0, padding=_no_padding)
    return buffer.getvalue()


def _into_flac(texts: Texts, pictures: Sequence[Picture]) -> Callable[[BinaryIO], None]:
    from mutagen.flac import FLAC

    blocks = _blocks(pictures)

    def amend(file: BinaryIO) -> None:
        audio = FLAC(file)
        if audio.tags is None:
            audio.add_tags()
        _fill(audio.tags, texts)
        for block in blocks:
            audio.add_picture(block)
        file.seek(0)
        audio.save(file, padding=_no_padding)

    return _careful(amend)


def _into_ogg(texts: Texts, pictures: Sequence[Picture]) -> Callable[[BinaryIO], None]:
    from mutagen.oggvorbis import OggVorbis

    blocks = tuple(base64.b64encode(block.write()).decode() for block in _blocks(pictures))

    def amend(file: BinaryIO) -> None:
        audio = OggVorbis(file)
        _fill(audio.tags, {**texts, **({"metadata_block_picture": blocks} if blocks else {})})
        file.seek(0)
        audio.save(file, padding=_no_padding)

    return _careful(amend)


def _careful(amend: Callable[[BinaryIO], None]) -> Callable[[BinaryIO], None]:
    """`amend` from the file's start, with an operating system's error as itself.

    Whatever else mutagen refuses, it refuses before it writes: then the file stays as it was.
    """

    def careful(file: BinaryIO) -> None:
        file.seek(0)
        try:
            amend(file)
        except OSError:
            raise
        except Exception as error:
            if isinstance(error.__context__, OSError):
                raise error.__context__ from error

    return careful


def _fill(comments: Any, texts: Mapping[str, Sequence[str]]) -> None:
    """Replace Vorbis comments, with totals under names of their own."""
    comments.clear()
    for name, values in texts.items():
        number, slash, total = values[0].partition("/")
        if name in _TOTALS and slash and total:
            comments[name.upper()], comments[_TOTALS[name].upper()] = [number], [total]
        else:
            comments[name.upper()] = list(values)


def _blocks(pictures: Iterable[Picture]) -> list[Any]:
    from mutagen.flac import Picture as Block

    blocks = []
    for picture in pictures:
        block = Block()
        block.mime, block.type, block.desc, block.data = (
            picture.mime,
            picture.kind,
            picture.description,
            picture.data,
        )
        blocks.append(block)
    return blocks


def _no_padding(_: Any) -> int:
    return 0
