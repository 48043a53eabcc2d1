"""The components of this plugin."""

from collections.abc import Iterable

from upscaler_core import Component, Options, hookimpl, option


class MagnitudePhaseOptions(Options):
    """Options of `magnitude-phase`."""

    magnitude: str = option("spec", help="the model whose magnitude is taken")
    phase: str = option("wave", help="the model whose waveform's phase is taken")
    iterations: int = option(
        2, ge=0, le=8, help="Griffin-Lim steps that make phases above the cut-off agree with the magnitude"
    )


class RandomPhaseOptions(Options):
    """Options of `random-phase`."""

    magnitude: str = option("spec", help="the model whose magnitude is taken")
    iterations: int = option(0, ge=0, le=8, help="Griffin-Lim steps, as in magnitude-phase")


class BlendOptions(Options):
    """Options of `blend`."""

    weights: dict[str, float] = option({}, help="weight of each model by its name; without any, all count alike")


@hookimpl
def upscaler_fusions() -> Iterable[Component]:
    """Offer the fusions."""
    return [
        Component(
            "magnitude-phase",
            "upscaler_fusion.magnitude_phase:MagnitudePhase",
            MagnitudePhaseOptions,
            "one model's magnitude with the phase of another one's waveform",
        ),
        Component(
            "random-phase",
            "upscaler_fusion.magnitude_phase:RandomPhase",
            RandomPhaseOptions,
            "one model's magnitude with a random phase: what magnitude-phase has to beat",
        ),
        Component("blend", "upscaler_fusion.blend:Blend", BlendOptions, "the weighted mean of the models' waveforms"),
    ]
