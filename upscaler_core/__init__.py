"""The core of AI Audio Upscaler Pro: what a plugin author and a Python user import.

Nothing heavy is imported until one of the names that needs it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from upscaler_core.components import Component, Kind, Options, option
from upscaler_core.errors import InputError, MissingDependency, OutputError, SpecError, UpscalerError, UsageError
from upscaler_core.hookspecs import hookimpl
from upscaler_core.protocols import (
    AudioInfo,
    Command,
    Conditions,
    Degradation,
    Degraded,
    EnhancementModel,
    Estimate,
    Exporter,
    Finisher,
    FusionStrategy,
    Grid,
    Loss,
    Metric,
    Picture,
    Plan,
    Reader,
    Resampler,
    Sink,
    Source,
)
from upscaler_core.registry import Registry, discover

if TYPE_CHECKING:
    from upscaler_core.chance import noise
    from upscaler_core.filters import lowpass as kaiser_lowpass
    from upscaler_core.filters import reach as kaiser_reach
    from upscaler_core.pipeline import Chunk, Pipeline
    from upscaler_core.streaming import Resample

__version__ = "0.1.0"

__all__ = [
    "AudioInfo",
    "Chunk",
    "Command",
    "Component",
    "Conditions",
    "Degradation",
    "Degraded",
    "EnhancementModel",
    "Estimate",
    "Exporter",
    "Finisher",
    "FusionStrategy",
    "Grid",
    "InputError",
    "Kind",
    "Loss",
    "Metric",
    "MissingDependency",
    "Options",
    "OutputError",
    "Picture",
    "Pipeline",
    "Plan",
    "Reader",
    "Registry",
    "Resample",
    "Resampler",
    "Sink",
    "Source",
    "SpecError",
    "UpscalerError",
    "UsageError",
    "__version__",
    "discover",
    "hookimpl",
    "kaiser_lowpass",
    "kaiser_reach",
    "noise",
    "option",
]

_LATE = {
    "Chunk": "pipeline:Chunk",
    "Pipeline": "pipeline:Pipeline",
    "Resample": "streaming:Resample",
    "kaiser_lowpass": "filters:lowpass",
    "kaiser_reach": "filters:reach",
    "noise": "chance:noise",
}


def __getattr__(name: str) -> Any:
    """Import the names that need torch on first use (PEP 562)."""
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _LATE[name].split(":")
    return getattr(import_module(f"{__name__}.{module}"), attribute)
