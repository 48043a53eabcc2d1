"""Chapters as Vorbis comments: `CHAPTER001=00:12:34.567` is where one begins, `CHAPTER001NAME=…` is its title.

This is the form that the Xiph wiki describes, and that VLC, mpv, ffmpeg and MKVToolNix read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from upscaler_core.plugins.protocols import Chapter

_START = re.compile(r"chapter(\d{1,4})")
_TIME = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")


def chapter_comments(chapters: Sequence[Chapter]) -> dict[str, list[str]]:
    """The comments that say these chapters. Where each one ends is lost: the next one begins there.

    >>> chapter_comments([Chapter(754.5, "Two")])
    {'CHAPTER001': ['00:12:34.500'], 'CHAPTER001NAME': ['Two']}
    """
    comments: dict[str, list[str]] = {}
    for number, chapter in enumerate(chapters, 1):
        milliseconds = round(1000 * chapter.start_s)
        minutes, seconds = divmod(milliseconds // 1000, 60)
        clock = f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}.{milliseconds % 1000:03}"
        comments[f"CHAPTER{number:03}"] = [clock]
        comments[f"CHAPTER{number:03}NAME"] = [chapter.title]
    return comments


def without_chapters(tags: Mapping[str, tuple[str, ...]]) -> tuple[dict[str, tuple[str, ...]], list[Chapter]]:
    """Part the chapters from the other tags, whose names are in lower case."""
    rest, chapters = dict(tags), []
    for name, values in tags.items():
        time = _TIME.fullmatch(values[0]) if _START.fullmatch(name) else None
        if time:
            title = rest.pop(f"{name}name", ("",))[0]
            del rest[name]
            chapters.append(Chapter(3600 * int(time[1]) + 60 * int(time[2]) + float(time[3]), title))
    return rest, sorted(chapters, key=lambda chapter: chapter.start_s)
