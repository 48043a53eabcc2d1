"""Writes a source's tags and pictures by mutagen, where it is installed. Without it the texts that libsndfile knows travel.

A name that ID3 has no frame for goes into a TXXX frame. Whatever mutagen refuses, only the tags are lost, never the audio.
mutagen is under the GPL, so it is optional, and imported only inside functions.
"""

from __future__ import annotations

import base64
import contextlib
import io
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

from upscaler_core.files.tags.names import BASIC, ID3_DATE, ID3_FRAMES, TOTALS
from upscaler_core.files.tags.restoration import restoration_of
from upscaler_core.plugins.protocols import AudioInfo, Picture


def basic_tags(source: AudioInfo) -> dict[str, str]:
    """The texts that libsndfile can write by itself, several values joined by `; `, without null characters.

    A restoration is called `software`, as libsndfile has no other place for it.

    >>> basic_tags(AudioInfo(48_000, 2, None, "FLAC", tags={"artist": ["A", "B"], "isrc": ["X"]}))
    {'artist': 'A; B'}
    """
    joined = {name: "; ".join(filter(None, source.tags.get(name, ()))).replace("\0", "") for name in BASIC}
    joined["software"] = str(restoration_of(source.tags) or "")  # the only text for the programs that libsndfile has
    return {name: text.encode("utf-8", "replace").decode() for name, text in joined.items() if text}


def vorbis_comments(source: AudioInfo) -> dict[str, list[str]]:
    """All texts and pictures as Vorbis comments, as Ogg Vorbis and Opus hold them. Names are in upper case, totals apart.

    >>> vorbis_comments(AudioInfo(48_000, 2, None, "FLAC", tags={"artist": ["A", "B"], "tracknumber": ["3/12"]}))
    {'ARTIST': ['A', 'B'], 'TRACKNUMBER': ['3'], 'TRACKTOTAL': ['12']}
    """
    blocks = [base64.b64encode(picture_block(picture)).decode() for picture in source.pictures]
    return {**_text_comments(source), **({"METADATA_BLOCK_PICTURE": blocks} if blocks else {})}


def _text_comments(source: AudioInfo) -> dict[str, list[str]]:
    comments: dict[str, list[str]] = {}
    for name, values in source.tags.items():
        number, slash, total = values[0].partition("/") if values else ("", "", "")
        if name in TOTALS and slash and total:
            comments[name.upper()], comments[TOTALS[name].upper()] = [number], [total]
        else:
            comments[name.upper()] = list(values)
    return comments


def picture_block(picture: Picture) -> bytes:
    """A picture as FLAC holds it: RFC 9639, 8.8. Width, height, depth and number of colours are 0, which means unknown."""
    mime, description = picture.mime.encode(), picture.description.encode()
    return b"".join((
        struct.pack(">II", picture.kind, len(mime)), mime,
        struct.pack(">I", len(description)), description,
        bytes(16), struct.pack(">I", len(picture.data)), picture.data,
    ))  # fmt: skip


def tag_flac(file: BinaryIO, source: AudioInfo) -> None:
    """Give a complete FLAC file, open for reading and writing, the source's tags and pictures. Raises OSError."""
    if not (source.tags or source.pictures):
        return
    with _keeping_the_audio():
        from mutagen.flac import FLAC
        from mutagen.flac import Picture as Block

        blocks = [Block(picture_block(picture)) for picture in source.pictures]
        file.seek(0)
        audio = FLAC(file)
        if audio.tags is None:
            audio.add_tags()
        _replace_comments(audio.tags, _text_comments(source))
        for block in blocks:
            audio.add_picture(block)
        file.seek(0)
        audio.save(file, padding=_no_padding)


def tag_ogg(file: BinaryIO, source: AudioInfo) -> None:
    """Give a complete Ogg Vorbis file, open for reading and writing, the source's tags and pictures. Raises OSError."""
    if not (source.tags or source.pictures):
        return
    with _keeping_the_audio():
        from mutagen.oggvorbis import OggVorbis

        comments = vorbis_comments(source)
        file.seek(0)
        audio = OggVorbis(file)
        _replace_comments(audio.tags, comments)
        file.seek(0)
        audio.save(file, padding=_no_padding)


def id3_tag(source: AudioInfo) -> bytes | None:
    """An ID3v2.4 tag of the source's tags and pictures; empty for none, None where mutagen is missing or cannot make one."""
    if not (source.tags or source.pictures):
        return b""
    try:
        return _id3_tag(source)
    except Exception:  # noqa: BLE001 - mutagen is missing, or a tag is odd, and no conversion fails for that
        return None


def _id3_tag(source: AudioInfo) -> bytes:
    from mutagen import id3

    tag, utf8 = id3.ID3(), id3.Encoding.UTF8
    for name, values in source.tags.items():
        if name == "comment":
            tag.add(id3.COMM(utf8, "XXX", "", list(values)))  # XXX: the language is unknown
        elif name == "lyrics":
            tag.add(id3.USLT(utf8, "XXX", "", "\n\n".join(values)))
        elif name in ID3_FRAMES and (not name.endswith("date") or all(map(ID3_DATE.fullmatch, values))):
            tag.add(getattr(id3, ID3_FRAMES[name])(utf8, list(values)))
        else:
            tag.add(id3.TXXX(utf8, name, list(values)))
    for number, picture in enumerate(source.pictures):
        frame = id3.APIC(utf8, picture.mime, picture.kind, picture.description, picture.data)
        frame.salt = str(number)  # without it mutagen tells pictures apart by their descriptions alone
        tag.add(frame)
    buffer = io.BytesIO()
    tag.save(buffer, v1=0, padding=_no_padding)
    return buffer.getvalue()


def basic_id3_tag(source: AudioInfo) -> bytes:
    """An ID3v2.4 tag of the basic texts in UTF-8, made without mutagen; empty for none.

    LAME would write these too, but would call them Latin-1. "ID3 tag version 2.4.0 - Main Structure", id3.org (2000).
    """
    frames = b""
    for name, text in basic_tags(source).items():
        comment = name == "comment"
        # A comment begins with its language, here unknown, and an empty description.
        body = b"\3" + (b"XXX\0" if comment else b"") + text.encode()
        frame = "COMM" if comment else "TSSE" if name == "software" else ID3_FRAMES[name]
        frames += frame.encode() + _seven_bits(len(body)) + b"\0\0" + body
    return b"ID3\4\0\0" + _seven_bits(len(frames)) + frames if frames else b""


def _seven_bits(size: int) -> bytes:
    """A size with 7 bits in each of 4 bytes, so that it is never mistaken for the start of an audio frame."""
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


@contextlib.contextmanager
def _keeping_the_audio() -> Iterator[None]:
    """Ignore all errors but the operating system's.

    Whatever else mutagen refuses, it refuses before it writes, so the file stays as it was.
    """
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        if isinstance(error.__context__, OSError):
            raise error.__context__ from error


def _replace_comments(tags: Any, comments: dict[str, list[str]]) -> None:
    tags.clear()
    for name, values in comments.items():
        tags[name] = values


def _no_padding(_: Any) -> int:
    return 0
