"""The degradations that this plugin offers."""

from __future__ import annotations

from collections.abc import Iterable

from upscaler_core import Component, hookimpl
from upscaler_degrade import options


@hookimpl
def upscaler_degradations() -> Iterable[Component]:
    """Offer the degradations."""
    return [
        Component(
            "band-limit",
            "upscaler_degrade.band_limit:BandLimit",
            options.BandLimitOptions,
            "low-pass of a drawn kind, steepness and cut-off, zero phase",
        ),
        Component(
            "quantization",
            "upscaler_degrade.quantization:Quantization",
            options.QuantizationOptions,
            "rounds samples to a drawn number of bits, with or without dither",
        ),
        Component("mp3", "upscaler_degrade.codecs:Mp3", options.Mp3Options, "MP3 and back, at a drawn bit rate"),
        Component(
            "vorbis", "upscaler_degrade.codecs:Vorbis", options.VorbisOptions, "Ogg Vorbis and back, at a drawn quality"
        ),
        Component("opus", "upscaler_degrade.codecs:Opus", options.OpusOptions, "Opus and back, at a drawn bit rate"),
        Component(
            "aac", "upscaler_degrade.codecs:Aac", options.AacOptions, "AAC and back by ffmpeg, at a drawn bit rate"
        ),
        Component(
            "noise-floor",
            "upscaler_degrade.noise_floor:NoiseFloor",
            options.NoiseFloorOptions,
            "adds white or pink noise, tape hiss or mains hum at a drawn level",
        ),
        Component("level", "upscaler_degrade.level:Level", options.LevelOptions, "a drawn gain, clipped on request"),
        Component(
            "remix",
            "upscaler_degrade.remix:Remix",
            options.RemixOptions,
            "swaps, inverts, joins or widens the two channels of stereo",
        ),
    ]
