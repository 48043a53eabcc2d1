"""The signal line, the enhancement step, and the pipeline file that describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upscaler_core.errors import Fault
from upscaler_core.lazy import lazy_exports

if TYPE_CHECKING:
    from upscaler_core.pipeline.enhancement import EnhancementStep
    from upscaler_core.pipeline.events import FULL_BAND_HZ
    from upscaler_core.pipeline.loading import load_form
    from upscaler_core.pipeline.spec import ComponentRef, PipelineSpec, Spec

__all__ = ["FULL_BAND_HZ", "ComponentRef", "EnhancementStep", "Fault", "PipelineSpec", "Spec", "load_form"]

_MODULES = {
    "FULL_BAND_HZ": "events",
    "ComponentRef": "spec",
    "EnhancementStep": "enhancement",
    "PipelineSpec": "spec",
    "Spec": "spec",
    "load_form": "loading",
}


def __getattr__(name: str) -> Any:
    return lazy_exports(__name__, _MODULES, name)
