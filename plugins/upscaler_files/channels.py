"""The order of the channels in Ogg Vorbis and Opus, which libsndfile changes neither in reading nor in writing.

All audio in this program has, like WAV and FLAC, front left, front right, centre, bass, back or side: RFC 9639, 9.1.3.
"""

VORBIS_ORDER = {
    3: (0, 2, 1),
    5: (0, 2, 1, 3, 4),
    6: (0, 2, 1, 4, 5, 3),
    7: (0, 2, 1, 5, 6, 4, 3),
    8: (0, 2, 1, 6, 7, 4, 5, 3),
}
"""Where Vorbis's channels stand in the order of WAV, by their number: Vorbis I specification, 4.3.9; RFC 7845, 5.1.1.2."""
