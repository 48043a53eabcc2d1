"""How plugins are declared, found and built, and what each kind of component must do."""

from upscaler_core.plugins.components import suggest, validate
from upscaler_core.plugins.protocols import (
    Adversary,
    BandwidthDetector,
    BandwidthSurvey,
    Command,
    Degradation,
    EnhancementModel,
    Exporter,
    Finisher,
    FusionStrategy,
    Loss,
    Metric,
    Picture,
    Reader,
    Resampler,
    Sink,
    Source,
    Trainable,
)

__all__ = [
    "Adversary",
    "BandwidthDetector",
    "BandwidthSurvey",
    "Command",
    "Degradation",
    "EnhancementModel",
    "Exporter",
    "Finisher",
    "FusionStrategy",
    "Loss",
    "Metric",
    "Picture",
    "Reader",
    "Resampler",
    "Sink",
    "Source",
    "Trainable",
    "suggest",
    "validate",
]
