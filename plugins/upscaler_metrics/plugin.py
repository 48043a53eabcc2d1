"""The metrics that this plugin offers."""

from collections.abc import Iterable

from upscaler_core import Component, hookimpl
from upscaler_metrics.options import CutoffOptions, LsdHfOptions, LsdOptions, PesqOptions, StoiOptions


@hookimpl
def upscaler_metrics() -> Iterable[Component]:
    """Offer the metrics."""
    spectral, waveform, perceptual = (f"upscaler_metrics.{module}" for module in ("spectral", "waveform", "perceptual"))
    return [
        Component("lsd", f"{spectral}:lsd", LsdOptions, "log-spectral distance over the whole band"),
        Component("lsd-hf", f"{spectral}:lsd_hf", LsdHfOptions, "log-spectral distance above the cut-off"),
        Component(
            "modulation-error",
            f"{spectral}:ModulationError",
            CutoffOptions,
            "how much more or less the level above the cut-off varies than the reference's",
        ),
        Component(
            "envelope-error",
            f"{spectral}:EnvelopeError",
            CutoffOptions,
            "how badly the level above the cut-off follows the reference's from frame to frame",
        ),
        Component(
            "low-band-snr",
            f"{spectral}:LowBandSnr",
            CutoffOptions,
            "signal-to-error ratio below 0.8 of the cut-off: whether the source's own band was kept",
        ),
        Component(
            "ssim", "upscaler_metrics.ssim:Ssim", summary="structural similarity of the spectrograms as pictures"
        ),
        Component("si-sdr", f"{waveform}:SiSdr", summary="scale-invariant signal-to-distortion ratio"),
        Component("level-change", f"{waveform}:LevelChange", summary="difference of the RMS levels"),
        Component(
            "visqol",
            f"{perceptual}:Visqol",
            summary="predicted listeners' score of audio, 1 to 5 (ViSQOL 3)",
            extra="ai-audio-upscaler[visqol]",
        ),
        Component(
            "pesq",
            f"{perceptual}:Pesq",
            PesqOptions,
            "predicted listeners' score of telephone speech, up to 8 kHz (ITU-T P.862)",
            extra="ai-audio-upscaler[pesq]",
        ),
        Component(
            "stoi",
            f"{perceptual}:Stoi",
            StoiOptions,
            "predicted intelligibility of speech, up to 5 kHz, 0 to 1",
            extra="ai-audio-upscaler[pystoi]",
        ),
    ]
