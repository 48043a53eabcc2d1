"""Writes a source's tags and pictures by mutagen, where it is installed. Without it the texts that libsndfile knows travel.

Whatever mutagen refuses, only the tags are lost, never the audio.
mutagen is under the GPL, so it is optional, and imported only inside functions.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from upscaler_core.files.tags.id3 import make_id3
from upscaler_core.files.tags.iff import chunk
from upscaler_core.files.tags.names import BASIC, ID3_FRAMES, INFO_TEXTS
from upscaler_core.files.tags.restoration import made_by
from upscaler_core.files.tags.sample_times import RateChange, at_rate
from upscaler_core.files.tags.vorbis import picture_block, text_comments, vorbis_comments
from upscaler_core.plugins.protocols import AudioInfo


def basic_tags(source: AudioInfo) -> dict[str, str]:
    """The texts that libsndfile can write by itself, several values joined by `; `, without null characters.

    What made the file (see `restoration.py`) is called `software`, as libsndfile has no other place for it.

    >>> basic_tags(AudioInfo(48_000, 2, None, "FLAC", tags={"artist": ["A", "B"], "isrc": ["X"]}))
    {'artist': 'A; B'}
    """
    joined = {name: "; ".join(filter(None, source.tags.get(name, ()))).replace("\0", "") for name in BASIC}
    joined["software"] = str(made_by(source.tags) or "")  # the only text for the programs that libsndfile has
    return {name: text.encode("utf-8", "replace").decode() for name, text in joined.items() if text}


def tag_flac(file: BinaryIO, source: AudioInfo) -> None:
    """Give a complete FLAC file, open for reading and writing, the source's tags and pictures. Raises OSError."""
    if not (source.tags or source.pictures or source.chapters):
        return
    with _keeping_the_audio():
        from mutagen.flac import FLAC
        from mutagen.flac import Picture as Block

        blocks = [Block(picture_block(picture)) for picture in source.pictures]
        file.seek(0)
        audio = FLAC(file)
        if audio.tags is None:
            audio.add_tags()
        _replace_comments(audio.tags, text_comments(source))
        for block in blocks:
            audio.add_picture(block)
        file.seek(0)
        audio.save(file, padding=_no_padding)


def tag_ogg(file: BinaryIO, source: AudioInfo) -> None:
    """Give a complete Ogg Vorbis file, open for reading and writing, the source's tags and pictures. Raises OSError."""
    if not (source.tags or source.pictures or source.chapters):
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
    if not (source.tags or source.pictures or source.chapters):
        return b""
    try:
        return make_id3(source)
    except Exception:  # noqa: BLE001 - mutagen is missing, or a tag is odd, and no conversion fails for that
        return None


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


def wav_chunks(source: AudioInfo, rate: int, bits: int) -> bytes:
    """What a WAV file at `rate` Hz with samples of `bits` bits has before its audio: texts, and `AudioInfo.chunks`."""
    basic = basic_tags(source)
    others = {name: "; ".join(source.tags[name]).replace("\0", "") for name in source.tags if name in INFO_TEXTS}
    texts = {**basic, **{name: text for name, text in others.items() if text and name not in BASIC}}
    entries = b"".join(chunk(INFO_TEXTS[name], text.encode() + b"\0") for name, text in texts.items())
    chunks = chunk("LIST", b"INFO" + entries) if entries else b""
    for name, contents in at_rate(source.chunks, RateChange(source.rate, rate, bits)).items():
        kind = name[5:].encode() if name.startswith("LIST ") else b""
        chunks += chunk(name[:4], kind + contents)
    return chunks


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
