"""ID3 tags, as MP3, WAV, AIFF and others have them: what they say, and making one.

A name without a frame goes into a TXXX frame. "ID3 tag version 2.4.0 - Native Frames", id3.org (2000), and its addendum for
chapters (2005). mutagen is imported only inside functions.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from upscaler_core.files.tags.contents import Contents, decode_text
from upscaler_core.files.tags.names import FREE_TEXTS, ID3_DATE, ID3_FRAMES, ID3_LINKS, ID3_ROLES, MUSICBRAINZ
from upscaler_core.files.tags.ratings import from_popm, to_popm
from upscaler_core.plugins.protocols import AudioInfo, Chapter, Picture

_NAMES = {
    **{frame: name for name, frame in {**ID3_FRAMES, **ID3_LINKS}.items()},
    "GRP1": "grouping",
    "TSSE": "encoder",
    "TENC": "encodedby",
    "TDEN": "encodingtime",
    "TLEN": "length",
    "TSIZ": "length",
}
_UNNAMED = ("TOLY", "TOWN", "TPRO", "TRSN", "TRSO", "TFLT", "TCAT", "TDES", "TKWD", "TGID")
"""Text frames that have no other name here than their own."""
_WORK = {role: name for name, role in ID3_ROLES.items()}
_LOUDNESS = ("RVA2", "RVAD", "RGAD", "XRVA", "EQU2", "EQUA")
_OF_THE_OLD_AUDIO = ("MLLT", "SEEK", "ASPI", "RBUF", "ENCR", "GRID", "SIGN", "AENC", "POSS", "CTOC", "NCON")
_WORDS = {
    "GEOB": "embedded objects (GEOB)",
    "PRIV": "private data of a program (PRIV)",
    "MCDI": "the CD's table of contents (MCDI)",
    "SYLT": "lyrics with times (SYLT)",
    "ETCO": "event times (ETCO)",
    "SYTC": "tempo changes (SYTC)",
}
_PLAYER = re.compile(r"(.+) \(([^()]+)\)", re.DOTALL)


def load_id3(file: BinaryIO) -> Any:
    """mutagen's ID3 tag of an open file that begins with it, or ends with one of version 1. Raises mutagen's errors."""
    from mutagen.id3 import ID3

    return ID3(file, known_frames=_plain_frames())


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


def from_id3(tags: Any) -> Contents:
    """What mutagen's ID3 tag holds."""
    contents = Contents()
    for frame in tags.values():
        _take(frame, contents)
    unknown = {bytes(frame[:4]).rstrip(b"\0").decode("latin-1") for frame in tags.unknown_frames}
    contents.others += [f"the ID3 frame {name}" for name in sorted(unknown)]
    return contents


def _take(frame: Any, contents: Contents) -> None:
    """Add what one frame says."""
    kind, add = frame.FrameID, contents.texts.append
    if kind == "TCON":
        add(("genre", frame.genres))  # with numbers replaced by their names
    elif kind == "TXXX":
        add((frame.desc, frame.text))
    elif kind == "COMM":
        plain = frame.desc.lower() in ("", "comment", "description", "id3v1 comment")
        add(("comment" if plain else f"comment:{frame.desc}", frame.text))
    elif kind == "USLT":
        add((f"lyrics:{frame.desc}" if frame.desc else "lyrics", [frame.text]))
    elif kind == "WXXX":
        add((f"www {frame.desc}".strip(), [frame.url]))
    elif kind in ("TIPL", "TMCL", "IPLS"):
        contents.texts += [_person(role, name) for role, name in frame.people if name]
    elif kind == "UFID":
        name = "musicbrainz_trackid" if frame.owner == MUSICBRAINZ else f"ufid:{frame.owner}"
        add((name, [decode_text(frame.data)]))
    elif kind == "POPM":
        _take_rating(frame, contents)
    elif kind == "PCNT":
        add(("play_count", [frame.count]))
    elif kind == "PCST":
        add(("podcast", ["1"]))
    elif kind == "USER":
        add(("termsofuse", [frame.text]))
    elif kind == "APIC":
        contents.pictures.append(Picture(frame.mime, int(frame.type), frame.desc, frame.data))
    elif kind == "CHAP":
        _take_chapter(frame, contents)
    elif kind in _LOUDNESS:
        add(("replaygain_id3", ["-"]))
    elif hasattr(frame, "text"):
        add((_NAMES.get(kind, kind), frame.text))
    elif hasattr(frame, "url"):
        add((_NAMES.get(kind, kind), [frame.url]))
    elif kind not in _OF_THE_OLD_AUDIO:
        contents.others.append(_WORDS.get(kind, f"the ID3 frame {kind}"))


def _person(role: str, name: str) -> tuple[str, list[str]]:
    """
    >>> _person("mix", "Ann"), _person("piano", "Bob")
    (('mixer', ['Ann']), ('performer', ['Bob (piano)']))
    """
    if role in _WORK:
        return _WORK[role], [name]
    return "performer", [f"{name} ({role})" if role and role != "performer" else name]


def _take_rating(frame: Any, contents: Contents) -> None:
    if any(name == "rating" for name, _ in contents.texts):
        contents.others.append(f"the rating by {frame.email or 'another listener'}")
        return
    count = getattr(frame, "count", 0)
    contents.texts.append(("rating", [from_popm(frame.rating)]))
    contents.texts += [("rating_email", [frame.email])] if frame.email else []
    contents.texts += [("play_count", [count])] if count else []


def _take_chapter(frame: Any, contents: Contents) -> None:
    title = frame.sub_frames.get("TIT2")
    if set(frame.sub_frames) - {"TIT2"}:
        contents.others.append("pictures and links of chapters")
    start, end = frame.start_time / 1000, frame.end_time / 1000
    contents.chapters.append(Chapter(start, str(title.text[0]) if title and title.text else "", end))


def make_id3(source: AudioInfo) -> bytes:
    """An ID3v2.4 tag of all that a source's tags say. Raises whatever mutagen finds wrong."""
    from mutagen import id3

    tag, tags = id3.ID3(), dict(source.tags)
    for frame in (*_people(tags), *_rating(tags), *_recording_id(tags), *_texts(tags), *_chapters(source)):
        tag.add(frame)
    for number, picture in enumerate(source.pictures):
        frame = id3.APIC(id3.Encoding.UTF8, picture.mime, picture.kind, picture.description, picture.data)
        frame.salt = str(number)  # without it mutagen tells pictures apart by their descriptions alone
        tag.add(frame)
    buffer = io.BytesIO()
    tag.save(buffer, v1=0, padding=lambda _: 0)
    return buffer.getvalue()


def _people(tags: dict[str, Sequence[str]]) -> Iterator[Any]:
    """The frames of people by their work, which are taken from the tags."""
    from mutagen import id3

    staff = [[role, person] for name, role in ID3_ROLES.items() for person in tags.pop(name, ())]
    players = [
        [match[2], match[1]] if (match := _PLAYER.fullmatch(person)) else ["performer", person]
        for person in tags.pop("performer", ())
    ]
    if staff:
        yield id3.TIPL(id3.Encoding.UTF8, staff)
    if players:
        yield id3.TMCL(id3.Encoding.UTF8, players)


def _rating(tags: dict[str, Sequence[str]]) -> Iterator[Any]:
    """The frame of the rating and the number of plays, which are taken from the tags where a frame can hold them."""
    from mutagen import id3

    count = (tags.get("play_count") or [""])[0]
    plays = int(count) if count.isascii() and count.isdigit() and len(count) < 10 else None
    value = to_popm((tags.get("rating") or [""])[0]) if len(tags.get("rating", ())) == 1 else None
    email = (tags.get("rating_email") or [""])[0]
    if value is not None and email.isascii():
        del tags["rating"]
        tags.pop("rating_email", None)
        yield id3.POPM(email=email, rating=value, **({"count": plays} if plays else {}))
    elif plays:
        yield id3.PCNT(plays)
    if plays:
        del tags["play_count"]


def _recording_id(tags: dict[str, Sequence[str]]) -> Iterator[Any]:
    """UFID frames, whose contents are taken from the tags. There is one for each owner."""
    from mutagen import id3

    for name in [name for name in tags if name == "musicbrainz_trackid" or name.startswith("ufid:")]:
        if len(tags[name]) == 1:
            owner = MUSICBRAINZ if name == "musicbrainz_trackid" else name.removeprefix("ufid:")
            yield id3.UFID(owner, tags.pop(name)[0].encode())


def _texts(tags: Mapping[str, Sequence[str]]) -> Iterator[Any]:
    """The frames of all other tags."""
    from mutagen import id3

    utf8 = id3.Encoding.UTF8
    for name, values in tags.items():
        first, _, description = name.partition(":")
        if first == "comment":
            yield id3.COMM(utf8, "XXX", description, list(values))  # XXX: the language is unknown
        elif first == "lyrics":
            yield id3.USLT(utf8, "XXX", description, "\n\n".join(values))
        elif name in ID3_FRAMES and (not name.endswith("date") or all(map(ID3_DATE.fullmatch, values))):
            yield getattr(id3, ID3_FRAMES[name])(utf8, list(values))
        elif name in ID3_LINKS and _is_link(values):
            yield getattr(id3, ID3_LINKS[name])(values[0])
        elif (name == "www" or name.startswith("www ")) and _is_link(values):
            yield id3.WXXX(utf8, name[4:], values[0])
        elif name == "podcast" and list(values) == ["1"]:
            yield id3.PCST(1)
        elif name.upper() in _UNNAMED:
            yield id3.Frames[name.upper()](utf8, list(values))
        else:
            yield id3.TXXX(utf8, FREE_TEXTS.get(name, name), list(values))


def _is_link(values: Sequence[str]) -> bool:
    return len(values) == 1 and ":" in values[0] and values[0].isascii()


def _chapters(source: AudioInfo) -> Iterator[Any]:
    """A frame for each chapter, and one that says their order."""
    from mutagen import id3

    starts = [chapter.start_s for chapter in source.chapters]
    ends = [*starts[1:], source.seconds] if starts else []
    names = [f"chp{number}" for number in range(len(starts))]
    for name, chapter, following in zip(names, source.chapters, ends, strict=True):
        end = chapter.end_s or following or chapter.start_s
        title = id3.TIT2(id3.Encoding.UTF8, [chapter.title])
        times = [min(round(1000 * seconds), 0xFFFFFFFF) for seconds in (chapter.start_s, max(end, chapter.start_s))]
        yield id3.CHAP(name, *times, 0xFFFFFFFF, 0xFFFFFFFF, [title])
    if names:
        yield id3.CTOC("toc", id3.CTOCFlags.TOP_LEVEL | id3.CTOCFlags.ORDERED, names, [])
