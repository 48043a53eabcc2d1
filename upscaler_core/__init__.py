"""What pipelines and plugin modules import.

Nothing heavy is imported until a name that needs it is used. Everything else is reached through the sub-packages
`upscaler_core.dsp`, `.files`, `.models`, `.pipeline`, `.plugins`, `.cli` and `.testing`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upscaler_core.errors import InputError, MissingDependency, OutputError, SpecError, UpscalerError, UsageError
from upscaler_core.lazy import lazy_exports
from upscaler_core.models.checkpoint import ModelOptions, load_checkpoint
from upscaler_core.plugins import compatibility
from upscaler_core.plugins.components import Component, Kind, Options, option
from upscaler_core.plugins.hookspecs import hookimpl
from upscaler_core.plugins.protocols import AudioInfo, Conditions, Degraded, Estimate
from upscaler_core.plugins.registry import Registry, discover

if TYPE_CHECKING:
    from upscaler_core.dsp.noise import noise
    from upscaler_core.dsp.plan import Plan
    from upscaler_core.dsp.stft import StftConfig, istft, stft
    from upscaler_core.pipeline.assembly import load_pipeline
    from upscaler_core.pipeline.pipeline import Pipeline
    from upscaler_core.pipeline.spec import Chunk

__version__ = "0.2.0"

__all__ = [
    "AudioInfo",
    "Chunk",
    "Component",
    "Conditions",
    "Degraded",
    "Estimate",
    "InputError",
    "Kind",
    "MissingDependency",
    "ModelOptions",
    "Options",
    "OutputError",
    "Pipeline",
    "Plan",
    "Registry",
    "SpecError",
    "StftConfig",
    "UpscalerError",
    "UsageError",
    "__version__",
    "discover",
    "hookimpl",
    "istft",
    "load_checkpoint",
    "load_pipeline",
    "noise",
    "option",
    "stft",
]

_MODULES = {
    "Chunk": "pipeline.spec",
    "Pipeline": "pipeline.pipeline",
    "Plan": "dsp.plan",
    "StftConfig": "dsp.stft",
    "istft": "dsp.stft",
    "load_pipeline": "pipeline.assembly",
    "noise": "dsp.noise",
    "stft": "dsp.stft",
}


def __getattr__(name: str) -> Any:
    """Import a name that needs torch at its first use; take an old name for the new one, with a warning."""
    if new := compatibility.new_name(name):
        return compatibility.imported(new)
    return lazy_exports(__name__, _MODULES, name)
