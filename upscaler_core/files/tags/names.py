"""What tags are called: names everywhere are those of Vorbis comments in lower case; these tables lead to other formats'."""

from __future__ import annotations

import re

ID3_FRAMES = {
    "title": "TIT2",
    "artist": "TPE1",
    "album": "TALB",
    "albumartist": "TPE2",
    "composer": "TCOM",
    "conductor": "TPE3",
    "remixer": "TPE4",
    "lyricist": "TEXT",
    "date": "TDRC",
    "originaldate": "TDOR",
    "tracknumber": "TRCK",
    "discnumber": "TPOS",
    "discsubtitle": "TSST",
    "genre": "TCON",
    "grouping": "TIT1",
    "subtitle": "TIT3",
    "copyright": "TCOP",
    "label": "TPUB",
    "isrc": "TSRC",
    "bpm": "TBPM",
    "key": "TKEY",
    "language": "TLAN",
    "mood": "TMOO",
    "media": "TMED",
    "compilation": "TCMP",
    "titlesort": "TSOT",
    "artistsort": "TSOP",
    "albumsort": "TSOA",
    "albumartistsort": "TSO2",
    "composersort": "TSOC",
}
"""The text frames of ID3v2.4."""
ID3_DATE = re.compile(r"\d{4}(-\d\d(-\d\d([T ]\d\d(:\d\d(:\d\dZ?)?)?)?)?)?")
"""The dates that an ID3 frame can hold."""
MP4_ATOMS = {
    "title": "©nam",
    "artist": "©ART",
    "album": "©alb",
    "albumartist": "aART",
    "composer": "©wrt",
    "date": "©day",
    "tracknumber": "trkn",
    "discnumber": "disk",
    "genre": "©gen",
    "grouping": "©grp",
    "comment": "©cmt",
    "copyright": "cprt",
    "lyrics": "©lyr",
    "bpm": "tmpo",
    "compilation": "cpil",
    "titlesort": "sonm",
    "artistsort": "soar",
    "albumsort": "soal",
    "albumartistsort": "soaa",
    "composersort": "soco",
}
"""The atoms of MP4."""
ALIASES = {
    "album artist": "albumartist",
    "album_artist": "albumartist",
    "year": "date",
    "track": "tracknumber",
    "totaltracks": "tracktotal",
    "disc": "discnumber",
    "totaldiscs": "disctotal",
    "description": "comment",
    "unsyncedlyrics": "lyrics",
    "organization": "label",
    "publisher": "label",
}
"""Names that programs use beside the usual ones."""
TOTALS = {"tracknumber": "tracktotal", "discnumber": "disctotal"}
"""Numbers, and the Vorbis comment that says of how many. Here both are one tag: track 3 of 12 is `3/12`."""
BASIC = ("title", "artist", "album", "date", "tracknumber", "genre", "comment", "copyright")
"""The tags that libsndfile can write, so that they travel without mutagen."""
RESTORED = re.compile(r"(\S+ \S+); restored above (\d+(?:\.\d+)?) kHz; (.*?)(?: \(libsndfile-[\d.]+\))?", re.DOTALL)
"""The value of the tag `enhanced_by` (see `restoration.py`), also as libsndfile writes it as the name of a software."""
VORBIS_NAME = re.compile(r"[ -<>-}]{1,100}")
"""What a Vorbis comment can be called, at a length that makes sense."""
OF_THE_OLD_AUDIO = re.compile(
    r"replaygain.*|r128_.*|mp3gain_.*|itunnorm|itunsmpb|itunpgap|encod(er|ed|ing).*|software|tool|length"
    r"|waveformatextensible_channel_mask|metadata_block_picture|coverart.*"
)
"""Tags that are not carried over: they hold for the old audio or the old file only, or are read as pictures."""
