"""Reads what a file holds beside its audio, and makes it uniform. The tags of most formats need mutagen.

mutagen is under the GPL, so it is optional, and imported only inside functions. Without it a reader's own texts travel, and
what the chunks of WAV and AIFF files hold.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from upscaler_core.files.tags.ape import from_ape
from upscaler_core.files.tags.asf import from_asf
from upscaler_core.files.tags.chapters import without_chapters
from upscaler_core.files.tags.contents import Contents
from upscaler_core.files.tags.id3 import from_id3, load_id3
from upscaler_core.files.tags.iff import read_chunks
from upscaler_core.files.tags.mp4 import from_mp4
from upscaler_core.files.tags.names import ALIASES, LOUDNESS, OF_THE_OLD_AUDIO, TOTALS, VORBIS_NAME
from upscaler_core.files.tags.restoration import NAME, Restoration
from upscaler_core.files.tags.vorbis import from_vorbis
from upscaler_core.plugins.protocols import AudioInfo, Picture

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
_CHUNKED = (b"RIFF", b"RF64", b"BW64", b"riff", b"FORM")


def complete_tags(info: AudioInfo, path: Path) -> AudioInfo:
    """Add what a file holds beside its audio to what a reader says of it, and make all of it uniform.

    What has no place among the tags, pictures, chapters and chunks is named in `not_carried`.
    """
    layers = read_tags(path) or []
    read = any(layer.texts for layer in layers)
    texts = [] if read else [*info.tags.items()]  # libsndfile calls any comment the comment, and knows UTF-8 alone
    own = Contents(texts, [*info.pictures], [*info.chapters], {**info.chunks}, [*info.not_carried])
    tags: dict[str, tuple[str, ...]] = {}
    chunks: dict[str, bytes] = {}
    others: list[str] = []
    for layer in (own, *layers):
        uniform, strange = _uniform_texts(layer.texts)
        tags |= uniform
        chunks |= layer.chunks
        others += [*layer.others, *strange]
    pictures, invalid = _valid_pictures(_last(layer.pictures for layer in (own, *layers)))
    tags, chapters = without_chapters(_with_totals(tags))
    return replace(
        info,
        tags=tags,
        pictures=pictures,
        chapters=tuple(chapters or sorted(_last(c.chapters for c in (own, *layers)), key=lambda each: each.start_s)),
        chunks=chunks,
        not_carried=tuple(dict.fromkeys([*others, *invalid])),
    )


def read_tags(path: Path) -> list[Contents] | None:
    """A file's tags, those last that win over the others; nothing in a format without tags. None without mutagen."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        return [*read_chunks(path)] if magic in _CHUNKED else _by_mutagen(path, magic)
    except Exception:  # noqa: BLE001 - whatever is in a tag, the audio can still be read
        return [Contents(others=["tags that are damaged"])]


def _by_mutagen(path: Path, magic: bytes) -> list[Contents] | None:
    try:
        from mutagen import File
        from mutagen.asf import ASF
        from mutagen.flac import FLAC
        from mutagen.mp4 import MP4
        from mutagen.oggflac import OggFLAC
        from mutagen.oggopus import OggOpus
        from mutagen.oggspeex import OggSpeex
        from mutagen.oggvorbis import OggVorbis
    except ImportError:
        return None
    file = File(path, [FLAC, OggVorbis, OggOpus, OggFLAC, OggSpeex, MP4, ASF])
    if isinstance(file, MP4):
        return [from_mp4(file.tags or {})]
    if isinstance(file, ASF):
        return [from_asf(file.tags)]
    if file is not None:
        return [from_vorbis(file)]
    return [*_appended(path), *_id3(path, magic)]


def _appended(path: Path) -> Iterable[Contents]:
    """The APEv2 tag at a file's end, if there is one."""
    from mutagen.apev2 import APENoHeaderError, APEv2

    try:
        yield from_ape(APEv2(path))
    except (APENoHeaderError, ValueError):
        return


def _id3(path: Path, magic: bytes) -> Iterable[Contents]:
    """The ID3 tag of a file, if there is one. That of a DSF file stands where its header says."""
    from mutagen.id3 import ID3NoHeaderError

    with path.open("rb") as file:
        start = 0
        if magic == b"DSD ":
            file.seek(20)
            start = int.from_bytes(file.read(8), "little")
        file.seek(start)
        try:
            yield from_id3(load_id3(_From(file, start) if start else file))  # type: ignore[arg-type]
        except ID3NoHeaderError:
            return


class _From:
    """A file from a position on, as far as mutagen needs one."""

    def __init__(self, file: Any, start: int) -> None:
        self._file, self._start = file, start

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._file.read(size)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        place: int = self._file.seek(offset + (self._start if whence == 0 else 0), whence)
        return place - self._start

    def tell(self) -> int:
        return int(self._file.tell()) - self._start


def _last(values: Iterable[list[Any]]) -> list[Any]:
    """The last list that is not empty."""
    return next((each for each in reversed(list(values)) if each), [])


def _uniform_texts(tags: Iterable[tuple[str, Iterable[Any]]]) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """The tags that are carried over, by uniform names, in valid UTF-8, with no value twice; and words for the others."""
    uniform: dict[str, tuple[str, ...]] = {}
    others: list[str] = []
    for name, values in tags:
        name = ALIASES.get(name.lower(), name.lower())
        texts: Iterable[str] = (str(value).replace("\0", "").encode("utf-8", "replace").decode() for value in values)
        if name == "software":  # so written where there is no mutagen; other programs' names are not carried over
            name, texts = NAME, (str(found) for text in texts if (found := Restoration.parse(text)))
        distinct = tuple(dict.fromkeys((*uniform.get(name, ()), *filter(None, texts))))
        if not distinct or OF_THE_OLD_AUDIO.fullmatch(name):
            continue
        if LOUDNESS.fullmatch(name):
            others.append("ReplayGain, which holds for the old audio")
        elif not VORBIS_NAME.fullmatch(name):
            others.append(f"the tag '{name[:100]}'")
        else:
            uniform[name] = distinct
    return uniform, others


def _with_totals(tags: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The tags with numbers and totals joined."""
    for number, total in TOTALS.items():
        count = tags.pop(total, ("",))[0]
        if count and number in tags and "/" not in tags[number][0]:
            tags[number] = (f"{tags[number][0]}/{count}",)
    return tags


def _valid_pictures(pictures: Iterable[Picture]) -> tuple[tuple[Picture, ...], list[str]]:
    """The pictures that every format can hold, and words for the others.

    Where their first bytes are known, these decide the MIME type.
    """
    valid: list[Picture] = []
    others: list[str] = []
    for picture in pictures:
        mime = next((mime for magic, mime in _IMAGES.items() if picture.data.startswith(magic)), picture.mime)
        description = picture.description.replace("\0", "").encode("utf-8", "replace").decode()[:1_000]
        kind = picture.kind if 0 <= picture.kind <= 20 else 0
        if len(picture.data) > LARGEST_PICTURE:
            others.append(f"a picture of {len(picture.data) / (1 << 20):.1f} MiB")
        elif picture.data and not (mime.startswith("image/") and mime.isascii()):
            others.append("a link to a picture" if mime == "-->" else "a picture of an unknown format")
        elif picture.data and len(valid) == MOST_PICTURES:
            others.append(f"pictures after the first {MOST_PICTURES}")
        elif picture.data:
            valid.append(Picture(mime[:100], kind, description, picture.data))
    return tuple(valid), others
