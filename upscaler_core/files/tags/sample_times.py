"""The chunks of a WAV file at another sample rate: what counts in samples is scaled, a rate that is named is the new one."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import NamedTuple

from upscaler_core.files.tags.iff import chunk, parts

_LOUDNESS_UNKNOWN = struct.pack("<5h", *[0x7FFF] * 5)  # EBU Tech 3285, supplement 3
_POSITIONS = ("TIMESTAMP_SAMPLES_SINCE_MIDNIGHT", "BWF_TIME_REFERENCE", "SYNC_POINT")
"""Positions in iXML, each in two elements: the upper and the lower 32 bits."""


class RateChange(NamedTuple):
    """From one file to another."""

    old: int
    """Hz."""
    new: int
    """Hz."""
    bits: int
    """Of a sample in the new file."""

    @property
    def ratio(self) -> Fraction:
        """New positions for one old position."""
        return Fraction(self.new, self.old)


def at_rate(chunks: Mapping[str, bytes], change: RateChange) -> dict[str, bytes]:
    """The chunks of `AudioInfo.chunks`, as a file at another rate has them.

    A chunk that is damaged, or whose positions do not fit any more, is left out.
    """
    scaled = {}
    for name, contents in chunks.items():
        try:
            scaled[name] = _CHANGES[name](contents, change) if name in _CHANGES else contents
        except (struct.error, ValueError, OverflowError):
            continue
    return scaled


def _bext(data: bytes, change: RateChange) -> bytes:
    """EBU Tech 3285: the time reference, and from version 2 on the loudness, which is that of the old audio."""
    (reference,) = struct.unpack_from("<Q", data, 338)
    (version,) = struct.unpack_from("<H", data, 346)
    changed = bytearray(data)
    changed[338:346] = struct.pack("<Q", round(reference * change.ratio))
    if version >= 2 and len(data) >= 422:
        changed[412:422] = _LOUDNESS_UNKNOWN
    return bytes(changed)


def _cue(data: bytes, change: RateChange) -> bytes:
    (count,) = struct.unpack_from("<I", data)
    points = [struct.unpack_from("<II4sIII", data, 4 + 24 * number) for number in range(count)]
    return data[:4] + b"".join(
        struct.pack("<II4sIII", number, round(place * change.ratio), kind, start, 0, round(offset * change.ratio))
        for number, place, kind, start, _, offset in points
    )


def _labels(data: bytes, change: RateChange) -> bytes:
    """`ltxt` says how many samples a label is about."""
    changed = b""
    for name, contents in parts(data):
        if name == "ltxt":
            length = struct.unpack_from("<I", contents, 4)[0]
            contents = contents[:4] + struct.pack("<I", round(length * change.ratio)) + contents[8:]
        changed += chunk(name, contents)
    return changed


def _playlist(data: bytes, change: RateChange) -> bytes:
    (count,) = struct.unpack_from("<I", data)
    segments = [struct.unpack_from("<III", data, 4 + 12 * number) for number in range(count)]
    return data[:4] + b"".join(
        struct.pack("<III", cue, round(size * change.ratio), loops) for cue, size, loops in segments
    )


def _sampler(data: bytes, change: RateChange) -> bytes:
    """The period of a sample, ns, and the loops. A loop's end is its last sample."""
    period, count = struct.unpack_from("<8xI16xI", data)
    changed, exact = bytearray(data), abs(period - 1e9 / change.old) <= 1
    changed[8:12] = struct.pack("<I", round(1e9 / change.new if exact else period / change.ratio))
    for number in range(count):
        place = 36 + 24 * number + 8
        start, end = struct.unpack_from("<II", data, place)
        scaled = round(start * change.ratio)
        changed[place : place + 8] = struct.pack("<II", scaled, max(scaled, round((end + 1) * change.ratio) - 1))
    return bytes(changed)


def _cart(data: bytes, change: RateChange) -> bytes:
    """AES46: eight timers at 684, each a name of four bytes and a position."""
    changed = bytearray(data)
    for place in range(688, 748, 8):
        changed[place : place + 4] = struct.pack("<I", round(struct.unpack_from("<I", data, place)[0] * change.ratio))
    return bytes(changed)


def _ixml(data: bytes, change: RateChange) -> bytes:
    """Only the digits of some elements change. iXML that is not in an extension of ASCII is left out."""
    if b"<BWFXML" not in data:
        raise ValueError("no iXML")
    for element in ("FILE_SAMPLE_RATE", "TIMESTAMP_SAMPLE_RATE", "SYNC_POINT_EVENT_DURATION"):
        data = re.sub(
            rf"(<{element}>\s*)(\d+)(\s*</)".encode(),
            lambda match: _scaled_digits(match, change.ratio),
            data,
            flags=re.IGNORECASE,
        )
    data = re.sub(rb"(<AUDIO_BIT_DEPTH>\s*)\d+(\s*</)", rb"\g<1>%d\g<2>" % change.bits, data)
    for name in _POSITIONS:
        data = _scaled_pair(data, name, change.ratio)
    return data


def _scaled_digits(match: re.Match[bytes], ratio: Fraction) -> bytes:
    return match[1] + str(round(int(match[2]) * ratio)).encode() + match[3]


def _scaled_pair(data: bytes, name: str, ratio: Fraction) -> bytes:
    """Scale a position whose halves stand in `…_HI` (or `…_HIGH`) and `…_LO` (or `…_LOW`), as often as it occurs."""
    low = re.compile(rf"<{name}_LOW?>\s*(\d+)\s*</".encode())
    high = re.compile(rf"<{name}_HI(?:GH)?>\s*(\d+)\s*</".encode())
    lows, highs = list(low.finditer(data)), list(high.finditer(data))
    if len(highs) not in (0, len(lows)):
        raise ValueError("a position in iXML lacks a half")
    changes = []
    for number, lower in enumerate(lows):
        upper = highs[number] if highs else None
        place = round(((int(upper[1]) << 32 if upper else 0) + int(lower[1])) * ratio)
        changes.append((lower.span(1), place & 0xFFFFFFFF if upper else place))
        changes += [(upper.span(1), place >> 32)] if upper else []
    for (start, end), value in sorted(changes, reverse=True):
        data = data[:start] + str(value).encode() + data[end:]
    return data


_CHANGES: dict[str, Callable[[bytes, RateChange], bytes]] = {
    "bext": _bext,
    "cue ": _cue,
    "LIST adtl": _labels,
    "plst": _playlist,
    "smpl": _sampler,
    "cart": _cart,
    "iXML": _ixml,
}
