"""ffmpeg's names for arrangements of loudspeakers: `ffmpeg -layouts`."""

from __future__ import annotations

import re

_NAMED = {
    "mono": "FC",
    "stereo": "FL FR",
    "2.1": "FL FR LFE",
    "3.0": "FL FR FC",
    "3.0(back)": "FL FR BC",
    "4.0": "FL FR FC BC",
    "quad": "FL FR BL BR",
    "quad(side)": "FL FR SL SR",
    "3.1": "FL FR FC LFE",
    "5.0": "FL FR FC BL BR",
    "5.0(side)": "FL FR FC SL SR",
    "4.1": "FL FR FC LFE BC",
    "5.1": "FL FR FC LFE BL BR",
    "5.1(side)": "FL FR FC LFE SL SR",
    "6.0": "FL FR FC BC SL SR",
    "6.0(front)": "FL FR FLC FRC SL SR",
    "hexagonal": "FL FR FC BL BR BC",
    "6.1": "FL FR FC LFE BC SL SR",
    "6.1(back)": "FL FR FC LFE BL BR BC",
    "6.1(front)": "FL FR LFE FLC FRC SL SR",
    "7.0": "FL FR FC BL BR SL SR",
    "7.0(front)": "FL FR FC FLC FRC SL SR",
    "7.1": "FL FR FC LFE BL BR SL SR",
    "7.1(wide)": "FL FR FC LFE BL BR FLC FRC",
    "7.1(wide-side)": "FL FR FC LFE FLC FRC SL SR",
    "octagonal": "FL FR FC BL BR BC SL SR",
}


def speakers(layout: str, channels: int) -> tuple[str, ...]:
    """The loudspeakers of a layout, in order; empty where it is unknown.

    >>> speakers("2.1", 3), speakers("3 channels (FL+FR+LFE)", 3), speakers("3 channels", 3)
    (('FL', 'FR', 'LFE'), ('FL', 'FR', 'LFE'), ())
    """
    listed = re.fullmatch(r"(?:\d+ channels )?\(?([A-Z0-9]+(?:\+[A-Z0-9]+)*)\)?", layout)
    names = tuple(_NAMED[layout].split() if layout in _NAMED else listed[1].split("+") if listed else ())
    return names if len(names) == channels else ()
