"""The JSON Schema of the pipeline file, with every installed component's options, for editors."""

from __future__ import annotations

from typing import Any

from upscaler_core.pipeline.spec import PipelineSpec
from upscaler_core.plugins.components import Kind
from upscaler_core.plugins.registry import Registry

_PLACES = {
    "resampler": Kind.RESAMPLER,
    "detector": Kind.DETECTOR,
    "fusion": Kind.FUSION,
    "export": Kind.EXPORTER,
    "finish": Kind.FINISHER,
}


def pipeline_schema(registry: Registry) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a pipeline file, given what is installed."""
    schema = PipelineSpec.model_json_schema()
    definitions = schema.setdefault("$defs", {})
    del definitions["ComponentRef"], definitions["ExportRef"]
    properties = schema["properties"]
    for key, kind in {**_PLACES, "models": Kind.MODEL}.items():
        choices: dict[str, Any] = {
            "oneOf": [_choice(registry, kind, name, definitions) for name in registry.names(kind)]
        }
        if not choices["oneOf"]:
            choices = {"not": {}}
        texts = {k: v for k, v in properties[key].items() if k in ("description", "default")}
        if key == "models":
            shape: dict[str, Any] = {"type": "object", "additionalProperties": choices}
        elif key == "finish":
            shape = {"type": "array", "items": choices}
        elif key in ("resampler", "detector"):
            shape = choices
        elif key == "export":
            by_suffix = {"type": "object", "title": "for the exporter of the suffix", "not": {"required": ["use"]}}
            shape = {"anyOf": [choices, by_suffix, {"type": "null"}]}
        else:
            shape = {"anyOf": [choices, {"type": "null"}]}
        properties[key] = {**shape, **texts}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _choice(registry: Registry, kind: Kind, name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of one component: its name under `use`, and its options beside it."""
    component = registry.find(kind, name).component
    options = component.options.model_json_schema()
    definitions.update(options.pop("$defs", {}))
    properties = {"use": {"const": name}, **options.get("properties", {})}
    required = ["use", *options.get("required", [])]
    return {
        "type": "object",
        "title": name,
        "description": component.summary,
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }
