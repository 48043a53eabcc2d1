"""A checked `PipelineSpec` becomes a `Pipeline` of built objects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upscaler_core.pipeline import presets
from upscaler_core.pipeline.loading import load
from upscaler_core.pipeline.spec import ComponentRef, PipelineSpec, default_component
from upscaler_core.plugins.components import Kind
from upscaler_core.plugins.registry import Registry

if TYPE_CHECKING:
    from upscaler_core.pipeline.pipeline import Pipeline


def load_pipeline(
    name: str | Path,
    registry: Registry,
    settings: Sequence[str] = (),
    device: str = "cpu",
    *,
    allow_local_plugins: bool = False,
) -> Pipeline:
    """Assemble a pipeline file, or a preset by its name, with `key=value` settings on top.

    Args:
        name: the file, or the preset.
        registry: where the components come from; the local plugins that the file names are loaded into it.
        settings: `key=value` each.
        device: `cpu`, `cuda`, or `auto` for CUDA where there is one.
        allow_local_plugins: run the code of those; refuse a file that names some otherwise.

    Raises:
        SpecError: the file is wrong.
        UpscalerError: a component cannot be built, or the device is not there.
    """
    path = presets.path_of(str(name)) or Path(name)
    return assemble(load(path, registry, settings, allow_local_plugins=allow_local_plugins), registry, device)


def assemble(spec: PipelineSpec, registry: Registry, device: str = "cpu") -> Pipeline:
    """Build every component that a spec names, and join them.

    Args:
        spec: a checked form.
        registry: where the components come from.
        device: `cpu`, `cuda`, or `auto` for CUDA where there is one.

    Raises:
        UpscalerError: a component cannot be built, or the device is not there.
    """
    from upscaler_core.dsp.resample import Resample
    from upscaler_core.models.device import choose_device
    from upscaler_core.pipeline.pipeline import Pipeline

    device = choose_device(device)

    def build(kind: Kind, ref: ComponentRef) -> Any:
        return registry.build(kind, ref.use, ref.options)

    finish = [build(Kind.FINISHER, ref) for ref in spec.finish]
    if spec.headroom == "none":
        finish = [finisher for finisher in finish if not getattr(finisher, "limits", False)]
    elif spec.headroom == "limit" and not (finish and getattr(finish[-1], "limits", False)):
        finish.append(build(Kind.FINISHER, default_component("limit")))
    models = {name: build(Kind.MODEL, ref) for name, ref in spec.models.items()}
    for model in models.values():
        if hasattr(model, "to") and device != "cpu":
            model.to(device)
    return Pipeline(
        resampler=Resample(build(Kind.RESAMPLER, spec.resampler)),
        target_rate=spec.target_rate,
        models=models,
        fusion=build(Kind.FUSION, spec.fusion) if spec.fusion else None,
        finish=finish,
        stereo=spec.stereo,
        chunk=spec.chunk,
        detector=build(Kind.DETECTOR, spec.detector),
        cutoff_hz=spec.cutoff_hz,
        above_edge=spec.above_edge,
        keep_source_band=spec.keep_source_band,
        seed=spec.seed,
        name=spec.name or "",
        device=device,
        headroom="none" if spec.headroom == "none" else "auto",
    )
