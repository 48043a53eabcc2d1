"""The components of this plugin."""

from collections.abc import Iterable, Mapping
from typing import ClassVar, Literal

from upscaler_core import Component, ModelOptions, hookimpl, option

Part = Literal["gate", "noise", "style", "skips"]


class UNetOptions(ModelOptions):
    """The options that both networks have."""

    at_run_time: ClassVar[frozenset[str]] = ModelOptions.at_run_time | {"other_rates"}

    rate: int = option(48_000, ge=8_000, le=384_000, unit="Hz", help="the sample rate it works at")
    other_rates: tuple[int, ...] = option(
        (44_100,), unit="Hz", help="more rates that it works at, every frequency scaled with the rate"
    )
    base_channels: Literal[16, 32, 64] = option(32, help="channels at the finest level; they double at each, up to 8x")
    without: tuple[Part, ...] = option(
        (), help="parts left out, to see what they are worth: gate, noise, style (the cut-off's AdaIN), skips"
    )


class WaveformUNetOptions(UNetOptions):
    """Options of `waveform-unet`."""

    foreign_parts: ClassVar[Mapping[str, str]] = {"state_dict": "-wave"}  # of the white paper's checkpoint (§6.1)

    num_layers: int = option(4, ge=3, le=6, help="levels, each at a quarter of the rate of the one before")


class SpectralUNetOptions(UNetOptions):
    """Options of `spectral-unet`."""

    at_run_time: ClassVar[frozenset[str]] = UNetOptions.at_run_time | {"shifts"}
    foreign_parts: ClassVar[Mapping[str, str]] = {"spectral_state_dict": "-spec"}  # of the white paper's checkpoint

    num_layers: int = option(4, ge=3, le=6, help="levels, each at half or a quarter of the frequencies before")
    shifts: Literal[1, 2] = option(1, help="delays of the frames by which the network runs; the mean is taken")


@hookimpl
def upscaler_models() -> Iterable[Component]:
    """Offer the models."""
    return [
        Component(
            "waveform-unet",
            "upscaler_unets.waveform:WaveformUNet",
            WaveformUNetOptions,
            "1-D U-Net on the waveform: adds to the baseline what is missing",
        ),
        Component(
            "spectral-unet",
            "upscaler_unets.spectral:SpectralUNet",
            SpectralUNetOptions,
            "2-D U-Net on the log-magnitude spectrogram: estimates what belongs above the cut-off",
        ),
    ]
