"""What the chunks of a WAV, RF64, Wave64 or AIFF file hold beside its audio.

The forms of the chunks: "Multimedia Programming Interface and Data Specifications 1.0" (RIFF, 1991), EBU Tech 3285 (`bext`),
AES46 (`cart`), gallery.co.uk/ixml (`iXML`), and "Audio Interchange File Format" (Apple, 1989).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from upscaler_core.files.tags.contents import Contents, decode_text
from upscaler_core.files.tags.id3 import from_id3, load_id3
from upscaler_core.files.tags.names import INFO_TEXTS

KEPT = {
    "bext": "broadcast data (bext)",
    "iXML": "production data (iXML)",
    "cart": "radio traffic data (cart)",
    "cue ": "cue points (cue)",
    "LIST adtl": "labels of cue points (LIST adtl)",
    "plst": "the playlist (plst)",
    "smpl": "sample loops (smpl)",
    "inst": "instrument data (inst)",
    "acid": "loop data (acid)",
    "_PMX": "XMP data (_PMX)",
}
"""The chunks that travel from WAV to WAV, and what people call them."""
LARGEST = 1 << 24
"""Bytes of the largest chunk that is kept. They are held in memory."""

_OF_THE_AUDIO = (
    *(
        "RIFF",
        "RF64",
        "fmt ",
        "data",
        "fact",
        "ds64",
        "PEAK",
        "levl",
        "CSET",
        "JUNK",
        "junk",
        "PAD ",
        "FLLR",
        "filr",
        "FAKE",
        "wavl",
    ),
    *("COMM", "SSND", "FVER", "CHAN", "fmt", "chna"),
)
"""Chunks that describe or hold the audio, or nothing."""
_WORDS = {
    "INST": "instrument data (INST)",
    "MIDI": "MIDI data (MIDI)",
    "axml": "ADM data (axml)",
    "umid": "an identifier (umid)",
}
_AIFF_TEXTS = {"NAME": "title", "AUTH": "artist", "(c) ": "copyright", "ANNO": "comment"}
_INFO = {chunk: name for name, chunk in INFO_TEXTS.items()}
_MOST = 10_000
"""Chunks of a file; a file of zeros would be a chunk every eight bytes."""
_CODE_PAGES = {0: "cp1252", 10_000: "mac_roman", 65_001: "utf-8", 28_591: "latin-1", 20_127: "cp1252"}


def read_chunks(path: Path) -> tuple[Contents, Contents]:
    """What a file's chunks hold, and what the ID3 tag in one of them holds."""
    contents, tagged = Contents(), Contents()
    with path.open("rb") as file:
        chunks = list(_chunks(file))
        code_page = _code_page(file, chunks)
        for name, start, size in chunks:
            if name in _OF_THE_AUDIO:
                continue
            if size > LARGEST:
                contents.others.append(f"the chunk {name.strip()}, which is too large")
                continue
            file.seek(start)
            data = file.read(size)
            if name in ("id3 ", "ID3 "):
                tagged = _id3(data)
            elif name == "MARK":
                _take_markers(data, contents, code_page)
            elif name in _AIFF_TEXTS:
                contents.texts.append((_AIFF_TEXTS[name], [decode_text(data, code_page)]))
            else:
                take_chunk(name, data, contents, code_page)
    return contents, tagged


def take_chunk(name: str, data: bytes, contents: Contents, code_page: str = "cp1252") -> None:
    """Add what a chunk of a WAV file holds."""
    if name.upper() == "LIST":
        name, data = f"LIST {data[:4].decode('latin-1')}", data[4:]
    if name == "LIST INFO":
        for field, text in parts(data):
            contents.texts.append((_INFO.get(field.upper(), field), [decode_text(text, code_page)]))
    elif name in KEPT:
        contents.chunks.setdefault(name, data)
    elif name not in _OF_THE_AUDIO:
        contents.others.append(_WORDS.get(name, f"the chunk {name.strip()}"))


def parts(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The names and contents of the chunks in a RIFF list. A name that is no text ends it."""
    position = 0
    while position + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, position)
        if not name.isascii() or not name.decode().isprintable():
            return
        yield name.decode(), data[position + 8 : position + 8 + size]
        position += 8 + size + size % 2


def chunk(name: str, contents: bytes) -> bytes:
    """A chunk of a WAV file."""
    return name.encode("latin-1") + struct.pack("<I", len(contents)) + contents + bytes(len(contents) % 2)


def _chunks(file: BinaryIO) -> Iterator[tuple[str, int, int]]:
    """The name, the position and the size of each chunk's contents. A big-endian WAV (RIFX) has none that can be kept."""
    size, head = file.seek(0, io.SEEK_END), b""
    file.seek(0)
    head = file.read(40)
    wide = 0  # RF64 keeps the true size of the audio in its ds64 chunk
    if head[:4] in (b"RIFF", b"RF64", b"BW64"):
        position, layout, align = 12, "<4sI", 2
    elif head[:4] == b"FORM":
        position, layout, align = 12, ">4sI", 2
    elif head[:4] == b"riff":  # Wave64: names of 16 bytes, sizes that include the chunk's own header
        position, layout, align = 40, "<16sQ", 8
    else:
        return
    width = struct.calcsize(layout)
    for _ in range(_MOST):
        file.seek(position)
        if len(header := file.read(width)) < width:
            return
        name, length = struct.unpack(layout, header)
        length = length - width if align == 8 else length
        if name[:4] == b"ds64":
            wide = struct.unpack("<8xQ", file.read(16))[0]
        elif name[:4] == b"data" and length == 0xFFFFFFFF and wide:
            length = wide
        start = position + width
        if length < 0 or start + length > size or not (name[:4].isascii() and name[:4].decode().isprintable()):
            return  # what follows audio of an unstated length is audio
        if not length and name[:4] == b"data":
            return
        yield name[:4].decode(), start, length
        position = start + length + -length % align
        if align == 2 and length % 2:  # some writers leave the pad byte out
            file.seek(position - 1)
            position -= file.read(1) not in (b"\0", b"")


def _code_page(file: BinaryIO, chunks: list[tuple[str, int, int]]) -> str:
    """The encoding of texts that are not UTF-8, as a CSET chunk names it."""
    for name, start, size in chunks:
        if name == "CSET" and size >= 2:
            file.seek(start)
            number = int.from_bytes(file.read(2), "little")
            return _CODE_PAGES.get(number, f"cp{number}")
    return "cp1252"


def _id3(data: bytes) -> Contents:
    """What an ID3 tag holds."""
    try:
        return from_id3(load_id3(io.BytesIO(data)))
    except ImportError:
        return Contents(others=["the ID3 tag, as mutagen is not installed"])
    except Exception:  # noqa: BLE001 - whatever is in a tag, the audio can still be read
        return Contents(others=["an ID3 tag that is damaged"])


def _take_markers(data: bytes, contents: Contents, code_page: str) -> None:
    """Add an AIFF file's markers as the cue points and labels that a WAV file has."""
    points, labels, position = [], b"", 2
    while position + 7 <= len(data):
        number, place, length = struct.unpack_from(">hIB", data, position)
        text = decode_text(data[position + 7 : position + 7 + length], code_page)
        points.append(struct.pack("<II4sIII", number & 0xFFFF, place, b"data", 0, 0, place))
        labels += chunk("labl", struct.pack("<I", number & 0xFFFF) + text.encode() + b"\0") if text else b""
        position += 6 + length + 1 + (length + 1) % 2
    if points:
        contents.chunks["cue "] = struct.pack("<I", len(points)) + b"".join(points)
    if labels:
        contents.chunks["LIST adtl"] = labels
