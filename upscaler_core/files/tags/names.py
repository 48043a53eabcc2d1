"""What tags are called: names everywhere are those of Vorbis comments in lower case; these tables lead to other formats'.

Where formats disagree, the names are those that MusicBrainz Picard writes ("Appendix B: Tag Mapping" of its manual).
"""

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
    "releasedate": "TDRL",
    "originalartist": "TOPE",
    "originalalbum": "TOAL",
    "originalfilename": "TOFN",
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
    "movementname": "MVNM",
    "movement": "MVIN",
}
"""The text frames of ID3v2.4, and two of Apple's."""
ID3_DATE = re.compile(r"\d{4}(-\d\d(-\d\d([T ]\d\d(:\d\d(:\d\dZ?)?)?)?)?)?")
"""The dates that an ID3 frame can hold."""
ID3_LINKS = {
    "website": "WOAR",
    "license": "WCOP",
    "podcasturl": "WFED",
    "wwwaudiofile": "WOAF",
    "wwwaudiosource": "WOAS",
    "wwwcommercialinfo": "WCOM",
    "wwwpayment": "WPAY",
    "wwwpublisher": "WPUB",
    "wwwradiopage": "WORS",
}
"""The frames of ID3v2.4 that hold an address. A `WXXX` frame is called `www`, a space, and its description."""
ID3_ROLES = {
    "engineer": "engineer",
    "producer": "producer",
    "mixer": "mix",
    "djmixer": "DJ-mix",
    "arranger": "arranger",
}
"""Names of people by their work, and what a TIPL frame calls it. An instrument's player is a `performer`."""
FREE_TEXTS = {
    "musicbrainz_albumid": "MusicBrainz Album Id",
    "musicbrainz_originalalbumid": "MusicBrainz Original Album Id",
    "musicbrainz_artistid": "MusicBrainz Artist Id",
    "musicbrainz_originalartistid": "MusicBrainz Original Artist Id",
    "musicbrainz_albumartistid": "MusicBrainz Album Artist Id",
    "musicbrainz_releasegroupid": "MusicBrainz Release Group Id",
    "musicbrainz_releasetrackid": "MusicBrainz Release Track Id",
    "musicbrainz_trackid": "MusicBrainz Track Id",
    "musicbrainz_workid": "MusicBrainz Work Id",
    "musicbrainz_trmid": "MusicBrainz TRM Id",
    "musicbrainz_discid": "MusicBrainz Disc Id",
    "releasecountry": "MusicBrainz Album Release Country",
    "releasestatus": "MusicBrainz Album Status",
    "releasetype": "MusicBrainz Album Type",
    "acoustid_id": "Acoustid Id",
    "acoustid_fingerprint": "Acoustid Fingerprint",
    "musicip_puid": "MusicIP PUID",
    "musicip_fingerprint": "MusicMagic Fingerprint",
    "asin": "ASIN",
    "artists": "ARTISTS",
    "barcode": "BARCODE",
    "catalognumber": "CATALOGNUMBER",
    "director": "DIRECTOR",
    "license": "LICENSE",
    "script": "SCRIPT",
    "showmovement": "SHOWMOVEMENT",
    "work": "WORK",
    "writer": "Writer",
}
"""What Picard calls free texts: TXXX frames of ID3, `----` atoms of MP4, and, with a slash, the attributes of ASF."""
MUSICBRAINZ = "http://musicbrainz.org"
"""The owner of the UFID frame that holds `musicbrainz_trackid`, the identifier of a recording."""
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
    "work": "©wrk",
    "movementname": "©mvn",
    "movement": "©mvi",
    "movementtotal": "©mvc",
    "showmovement": "shwm",
    "director": "©dir",
    "show": "tvsh",
    "showsort": "sosn",
    "podcast": "pcst",
    "podcasturl": "purl",
    "longdescription": "ldes",
    "rating": "rate",
    "gapless": "pgap",
    "encoder": "©too",
}
"""The atoms of MP4."""
ASF_ATTRIBUTES = {
    "artist": "Author",
    "album": "WM/AlbumTitle",
    "date": "WM/Year",
    "originaldate": "WM/OriginalReleaseTime",
    "originalyear": "WM/OriginalReleaseYear",
    "originalalbum": "WM/OriginalAlbumTitle",
    "lyricist": "WM/Writer",
    "remixer": "WM/ModifiedBy",
    "grouping": "WM/ContentGroupDescription",
    "discsubtitle": "WM/SetSubTitle",
    "discnumber": "WM/PartOfSet",
    "compilation": "WM/IsCompilation",
    "bpm": "WM/BeatsPerMinute",
    "key": "WM/InitialKey",
    "catalognumber": "WM/CatalogNo",
    "label": "WM/Publisher",
    "website": "WM/AuthorURL",
    "albumsort": "WM/AlbumSortOrder",
    "albumartistsort": "WM/AlbumArtistSortOrder",
    "artistsort": "WM/ArtistSortOrder",
    "titlesort": "WM/TitleSortOrder",
    "composersort": "WM/ComposerSortOrder",
    "rating": "WM/SharedUserRating",
}
"""The attributes of Windows Media whose names, without `WM/` and in lower case, are not already the uniform ones."""
INFO_TEXTS = {
    "title": "INAM",
    "artist": "IART",
    "album": "IPRD",
    "date": "ICRD",
    "tracknumber": "ITRK",
    "genre": "IGNR",
    "comment": "ICMT",
    "copyright": "ICOP",
    "software": "ISFT",
    "engineer": "IENG",
    "producer": "IPRO",
    "composer": "IMUS",
    "lyricist": "IWRI",
    "language": "ILNG",
    "media": "IMED",
    "keywords": "IKEY",
    "subject": "ISBJ",
    "technician": "ITCH",
    "source": "ISRC",
    "sourceform": "ISRF",
    "archivallocation": "IARL",
    "commissioned": "ICMS",
    "country": "ICNT",
    "digitizationdate": "IDIT",
}
"""The texts of a WAV file's `LIST INFO` chunk. Here `ISRC` is a source, as RIFF says, and no recording code."""
ALIASES = {
    **{written.lower(): name for name, written in FREE_TEXTS.items()},
    "musicbrainz_albumstatus": "releasestatus",
    "musicbrainz_albumtype": "releasetype",
    "album artist": "albumartist",
    "album_artist": "albumartist",
    "album artist sort": "albumartistsort",
    "mixartist": "remixer",
    "weblink": "website",
    "original artist": "originalartist",
    "initialkey": "key",
    "year": "date",
    "track": "tracknumber",
    "iprt": "tracknumber",
    "totaltracks": "tracktotal",
    "disc": "discnumber",
    "totaldiscs": "disctotal",
    "description": "comment",
    "unsyncedlyrics": "lyrics",
    "organization": "label",
    "publisher": "label",
}
"""Names that programs use beside the usual ones."""
TOTALS = {"tracknumber": "tracktotal", "discnumber": "disctotal", "movement": "movementtotal"}
"""Numbers, and the Vorbis comment that says of how many. Here both are one tag: track 3 of 12 is `3/12`."""
BASIC = ("title", "artist", "album", "date", "tracknumber", "genre", "comment", "copyright")
"""The tags that libsndfile can write, so that they travel without mutagen."""
RESTORED = re.compile(
    r"(?=ai-audio-upscaler |.*; restored above \d)([^\s;]+ [^\s;]+)(?:; restored above (\d+(?:\.\d+)?) kHz)?(?:; (.*?))?"
    r"(?: \(libsndfile-[\d.]+\))?",
    re.DOTALL,
)
"""The value of the tag `enhanced_by` (see `restoration.py`), also as libsndfile writes it as the name of a software."""
VORBIS_NAME = re.compile(r"[ -<>-}]{1,100}")
"""What a Vorbis comment can be called, at a length that makes sense."""
LOUDNESS = re.compile(r"replaygain.*|r128_.*|mp3gain_.*|itunnorm|comment:itunnorm|peakvalue|averagelevel")
"""Tags of the old audio's level. They are not carried over, and that is told."""
OF_THE_OLD_AUDIO = re.compile(
    r"(comment:)?(itunsmpb|itunpgap)|encod(er|ed|ing).*|software|tool|length|gapless"
    r"|waveformatextensible_channel_mask|metadata_block_picture|coverart.*"
    r"|wmfsdk.*|wmadrc.*|isvbr|deviceconformancetemplate"
)
"""Tags that are not carried over: they describe the old file's coding, or are read as pictures."""
