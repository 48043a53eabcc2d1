"""Ratings: a number from 0 to 100, 20 for each star, as most players have it in Vorbis comments; and what ID3 makes of it.

A POPM frame of ID3 holds 0 … 255. Windows and the players after it write 1, 64, 128, 196 and 255 for the five stars, and
some write values between them for halves.
"""

from __future__ import annotations

_STARS = {1: 20, 13: 10, 54: 30, 64: 40, 118: 50, 128: 60, 186: 70, 196: 80, 242: 90, 255: 100}


def from_popm(value: int) -> str:
    """The rating of a POPM frame's value.

    >>> from_popm(196), from_popm(100)
    ('80', '39')
    """
    return str(_STARS.get(value, round(value / 2.55)))


def to_popm(text: str) -> int | None:
    """The value for a POPM frame; None where the text is no rating. Up to 1 with a point it is a share, up to 5 it is stars.

    >>> to_popm("80"), to_popm("4"), to_popm("0.8"), to_popm("good")
    (196, 196, 196, None)
    """
    try:
        number = float(text)
    except ValueError:
        return None
    if not 0 <= number <= 100:
        return None
    percent = round(100 * number if number <= 1 and "." in text else 20 * number if number <= 5 else number)
    return next((value for value, stars in _STARS.items() if stars == percent), round(percent * 2.55))


def from_windows_media(text: str) -> str:
    """The rating of ASF's WM/SharedUserRating, which has 1, 25, 50, 75 and 99 for the stars."""
    return {"1": "20", "25": "40", "50": "60", "75": "80", "99": "100"}.get(text, text)
