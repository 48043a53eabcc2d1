"""What a shell completes: the names of presets, components, checkpoints and plugins. Nothing here loads torch."""

from __future__ import annotations

from collections.abc import Iterable

from upscaler_core.pipeline import presets
from upscaler_core.plugins.components import Kind
from upscaler_core.plugins.registry import discover

Choices = list[tuple[str, str]]
"""Words, each with its meaning."""

PLACES = {
    "resampler": Kind.RESAMPLER,
    "detector": Kind.DETECTOR,
    "fusion": Kind.FUSION,
    "export": Kind.EXPORTER,
}
"""The keys of a pipeline file that name one component."""


def preset_names(incomplete: str) -> Choices:
    """The presets, each with the first line of its file."""
    firsts = ((name, presets.path_of(name)) for name in presets.names())
    return _beginning(incomplete, ((name, _first_comment(path.read_text("utf-8"))) for name, path in firsts if path))


def component_names(incomplete: str) -> Choices:
    """All components."""
    registry = discover()
    return _beginning(incomplete, ((registry.name_of(each), each.component.summary) for each in registry.entries))


def model_names(incomplete: str) -> Choices:
    """The models."""
    registry = discover()
    found = registry.of(Kind.MODEL)
    return _beginning(incomplete, ((registry.name_of(each), each.component.summary) for each in found))


def plugin_names(incomplete: str) -> Choices:
    """The plugins."""
    return _beginning(incomplete, ((plugin.name, plugin.distribution or "") for plugin in discover().plugins))


def checkpoint_names(incomplete: str) -> Choices:
    """The installed checkpoints."""
    from upscaler_core.models import checkpoint

    registry = discover()
    entries = [*registry.of(Kind.MODEL), *registry.of(Kind.DETECTOR)]
    found = checkpoint.available([entry.component for entry in entries])
    return _beginning(incomplete, ((path.stem, where) for where, path in found))


def settings(incomplete: str) -> Choices:
    """Keys of a pipeline file for `--set KEY=VALUE`, and the components that some of them name."""
    from upscaler_core.pipeline.spec import PipelineSpec

    key, equals, _ = incomplete.partition("=")
    if equals:
        kind = PLACES.get(key.removesuffix(".use"))
        registry = discover()
        found = registry.of(kind) if kind and key.endswith(".use") else []
        return _beginning(incomplete, ((f"{key}={registry.name_of(e)}", e.component.summary) for e in found))
    fields = PipelineSpec.model_fields
    plain = ((f"{name}=", facts.description or "") for name, facts in fields.items() if name not in PLACES)
    named = ((f"{name}.use=", fields[name].description or "") for name in PLACES)
    return _beginning(incomplete, [*plain, *named])


def _beginning(incomplete: str, choices: Iterable[tuple[str, str]]) -> Choices:
    return sorted({word: meaning for word, meaning in choices if word.startswith(incomplete)}.items())


def _first_comment(text: str) -> str:
    return text.partition("\n")[0].removeprefix("# ")
