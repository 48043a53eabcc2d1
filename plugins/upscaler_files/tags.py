"""Writes a source's tags and pictures by mutagen, where it is installed; without it, the text that libsndfile knows.

A name that ID3 has no frame for goes into a TXXX frame. mutagen is under the GPL, so it is optional, and imported only
where it is used.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, BinaryIO, TypeVar

from upscaler_core import AudioInfo
from upscaler_core.files import ID3_FRAMES
from upscaler_core.plugins import Picture

Texts = Mapping[str, Sequence[str]]
Made = TypeVar("Made")

_DATE = re.compile(r"\d{4}(-\d\d(-\d\d([T ]\d\d(:\d\d(:\d\dZ?)?)?)?)?)?")  # what an ID3 date can say


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
        return make(source.tags, source.pictures) if source and (source.tags or source.pictures) else nothing
    except Exception:  # noqa: BLE001 — mutagen is missing, or a tag is odd, for which no conversion shall fail
        return None


def _id3(texts: Texts, pictures: Sequence[Picture]) -> bytes:
    from mutagen import id3

    tag, utf8 = id3.ID3(), id3.Encoding.UTF8
    for name, values in texts.items():
        if name == "comment":
            tag.add(id3.COMM(utf8, "XXX", "", list(values)))  # in a language that is not known
        elif name == "lyrics":
            tag.add(id3.USLT(utf8, "XXX", "", "\n\n".join(values)))
        elif name in ID3_FRAMES and (not name.endswith("date") or all(map(_DATE.fullmatch, values))):
            tag.add(getattr(id3, ID3_FRAMES[name])(utf8, list(values)))
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


def _fill(comments: Any, texts: Texts) -> None:
    """Replace Vorbis comments, with totals under names of their own."""
    comments.clear()
    for name, values in texts.items():
        number, slash, total = values[0].partition("/")
        if name in ("tracknumber", "discnumber") and slash and total:
            comments[name.upper()], comments[name.upper().replace("NUMBER", "TOTAL")] = [number], [total]
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
