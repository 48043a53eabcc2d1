"""The core of AI Audio Upscaler Pro: what a plugin author and a Python user import.

Nothing heavy is imported until one of the names that needs it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from upscaler_core import compatibility
from upscaler_core.checkpoint import (
    Card,
    Checkpoint,
    ModelOptions,
    load_checkpoint,
    read_card,
    read_checkpoint,
    write_checkpoint,
)
from upscaler_core.components import Component, Kind, Options, near, option
from upscaler_core.errors import Fault, InputError, MissingDependency, OutputError, SpecError, UpscalerError, UsageError
from upscaler_core.hookspecs import hookimpl
from upscaler_core.interrupt import Interrupt
from upscaler_core.protocols import (
    Adversary,
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
    Trainable,
)
from upscaler_core.registry import Registry, discover
from upscaler_core.tags import ID3_FRAMES
from upscaler_core.whole import whole_or_absent

if TYPE_CHECKING:
    from upscaler_core.assemble import choose_device, load_pipeline
    from upscaler_core.audio import open_source
    from upscaler_core.chance import fixed_initialization, noise
    from upscaler_core.cli.guard import run_app
    from upscaler_core.filters import lowpass as kaiser_lowpass
    from upscaler_core.filters import reach as kaiser_reach
    from upscaler_core.measure import survey
    from upscaler_core.pipeline import Chunk, Pipeline
    from upscaler_core.precision import choose_dtype, computing, fast_at_bfloat16
    from upscaler_core.spec import Spec, Use, load_form
    from upscaler_core.spectra import istft, stft
    from upscaler_core.streaming import Resample

__version__ = "0.1.0"

__all__ = [
    "ID3_FRAMES",
    "Adversary",
    "AudioInfo",
    "Card",
    "Checkpoint",
    "Chunk",
    "Command",
    "Component",
    "Conditions",
    "Degradation",
    "Degraded",
    "EnhancementModel",
    "Estimate",
    "Exporter",
    "Fault",
    "Finisher",
    "FusionStrategy",
    "Grid",
    "InputError",
    "Interrupt",
    "Kind",
    "Loss",
    "Metric",
    "MissingDependency",
    "ModelOptions",
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
    "Spec",
    "SpecError",
    "Trainable",
    "UpscalerError",
    "UsageError",
    "Use",
    "__version__",
    "choose_device",
    "choose_dtype",
    "computing",
    "discover",
    "fast_at_bfloat16",
    "fixed_initialization",
    "hookimpl",
    "istft",
    "kaiser_lowpass",
    "kaiser_reach",
    "load_checkpoint",
    "load_form",
    "load_pipeline",
    "near",
    "noise",
    "open_source",
    "option",
    "read_card",
    "read_checkpoint",
    "run_app",
    "stft",
    "survey",
    "whole_or_absent",
    "write_checkpoint",
]

_LATE = {
    "choose_dtype": "precision:choose_dtype",
    "computing": "precision:computing",
    "fast_at_bfloat16": "precision:fast_at_bfloat16",
    "fixed_initialization": "chance:fixed_initialization",
    "istft": "spectra:istft",
    "stft": "spectra:stft",
    "Chunk": "pipeline:Chunk",
    "Pipeline": "pipeline:Pipeline",
    "Resample": "streaming:Resample",
    "kaiser_lowpass": "filters:lowpass",
    "kaiser_reach": "filters:reach",
    "noise": "chance:noise",
    "Spec": "spec:Spec",
    "Use": "spec:Use",
    "choose_device": "assemble:choose_device",
    "load_form": "spec:load_form",
    "load_pipeline": "assemble:load_pipeline",
    "run_app": "cli.guard:run_app",
    "open_source": "audio:open_source",
    "survey": "measure:survey",
}


def __getattr__(name: str) -> Any:
    """Import the names that need torch on first use (PEP 562); take old names for new ones."""
    if new := compatibility.new_name(name):
        return globals().get(new) or __getattr__(new)
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _LATE[name].split(":")
    return getattr(import_module(f"{__name__}.{module}"), attribute)
