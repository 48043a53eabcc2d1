"""Offers the reader by ffmpeg."""

from collections.abc import Iterable

from upscaler_core import Component, hookimpl


@hookimpl
def upscaler_readers() -> Iterable[Component]:
    """Offer what libsndfile lacks: the formats of players, phones and cameras."""
    suffixes = (
        ".m4a .aac .mp4 .m4b .m4r .alac .mov .3gp .3g2 .wma .asf .wmv .mkv .mka .webm .avi .flv .mpg .mpeg .ts .m2ts "
        ".mts .ac3 .eac3 .dts .thd .mlp .ape .wv .tta .tak .mpc .mp+ .ofr .shn .amr .awb .dsf .dff .ra .rm .spx .adts"
    )
    return [
        Component(
            "ffmpeg",
            "upscaler_pydub.reader:FfmpegReader",
            summary="M4A, AAC, WMA, APE, WavPack and the first sound track of MP4, MKV, AVI and more by ffmpeg",
            extra="ai-audio-upscaler[pydub]",
            suffixes=tuple(suffixes.split()),
        )
    ]
