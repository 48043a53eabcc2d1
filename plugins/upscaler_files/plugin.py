"""Offers the reader and the exporters of files."""

from __future__ import annotations

from collections.abc import Iterable

from upscaler_core import Component, hookimpl
from upscaler_files.options import FlacOptions, Mp3Options, OggOptions, WavOptions


@hookimpl
def upscaler_readers() -> Iterable[Component]:
    """Offer everything that libsndfile decodes and that describes itself (so no bare samples).

    Folders are searched for these suffixes. Files of those that mostly mean something else (.mat, .iff) are read when named.
    """
    suffixes = (
        ".wav .wave .bwf .rf64 .w64 .flac .ogg .oga .opus .mp3 .mp2 .mp1 .aif .aiff .aifc .caf .au .snd .voc "
        ".sf .ircam .nist .sph .svx .8svx .16sv .avr .paf .pvf .sds"
    )
    return [
        Component(
            "soundfile",
            "upscaler_files.reader:SoundFileReader",
            summary="WAV, FLAC, Ogg, Opus, MP3, AIFF, CAF and more by libsndfile; damaged files as far as they go",
            suffixes=tuple(suffixes.split()),
        )
    ]


@hookimpl
def upscaler_exporters() -> Iterable[Component]:
    """Offer two lossless exporters and two lossy ones."""
    return [
        Component(
            "wav",
            "upscaler_files.wav:WavExporter",
            WavOptions,
            summary="WAV with 16, 24 or 32-bit integer or float samples; becomes RF64 beyond 4 GiB",
            suffixes=(".wav", ".wave"),
        ),
        Component(
            "flac",
            "upscaler_files.flac:FlacExporter",
            FlacOptions,
            summary="FLAC with 16 or 24 bits, up to 655,350 Hz and 8 channels",
            suffixes=(".flac",),
        ),
        Component(
            "mp3",
            "upscaler_files.mp3:Mp3Exporter",
            Mp3Options,
            summary="MP3 of variable (V0 to V9) or constant bit rate, up to 320 kbps, 48,000 Hz and 2 channels",
            suffixes=(".mp3",),
        ),
        Component(
            "ogg",
            "upscaler_files.ogg:OggExporter",
            OggOptions,
            summary="Ogg Vorbis of variable bit rate (q0 to q10), up to 192,000 Hz and 8 channels",
            suffixes=(".ogg", ".oga"),
        ),
    ]
