"""The form of a pipeline file, and the base of other files' forms. It knows no plugin."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from upscaler_core.errors import Fault
from upscaler_core.pipeline.yaml_document import KeyPath
from upscaler_core.plugins.components import Kind, Options, option


class ComponentRef(BaseModel):
    """A component by name, with its options beside it: `{use: sinc, zero_crossings: 32}`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    use: str = Field(description="name of an installed component, see `upscaler plugins`", min_length=1)
    _options: Options | None = PrivateAttr(None)

    @property
    def written(self) -> dict[str, Any]:
        """The options as they were written."""
        return dict(self.model_extra or {})

    @property
    def options(self) -> Options | dict[str, Any]:
        """The checked options, which are what is built, hashed and shown; before a check, what was written."""
        return self.written if self._options is None else self._options

    def complete(self) -> Self:
        """The same reference with every option written, those that have their default value too."""
        options = self.options
        return self.model_copy(update=options if isinstance(options, dict) else options.model_dump(mode="json"))

    def with_options(self, options: Options) -> Self:
        """The same reference with its options checked."""
        checked = self.model_copy()
        checked._options = options
        return checked

    def __getstate__(self) -> dict[Any, Any]:
        """Leave the checked options behind: another process has to check them against what is installed there."""
        return {**super().__getstate__(), "__pydantic_private__": {"_options": None}}


class ExportRef(ComponentRef):
    """An exporter by name with its options, or options alone: then they are for the exporter that the suffix picks."""

    use: str = Field("", description="name of an exporter; empty = the one that the output's suffix picks")


Change = Callable[[KeyPath, Kind, ComponentRef], ComponentRef]


class Spec(Options):
    """Base of a file's form. A field that names components says of which kind: `Annotated[ComponentRef, Kind.RESAMPLER]`."""

    version: Literal[1] = option(help="version of this form")
    plugins: list[str] = option(
        [], help="local plugins, files of Python, from this file's folder; run only where the user allows it"
    )

    def faults(self) -> Iterator[Fault]:
        """Faults that show only when several fields are looked at together."""
        yield from ()

    def refs(self) -> Iterator[tuple[KeyPath, Kind, ComponentRef]]:
        """Every component that is named, with its place and kind."""
        return self.refs_in({name: getattr(self, name) for name in type(self).model_fields})

    @classmethod
    def refs_in(cls, data: Any) -> Iterator[tuple[KeyPath, Kind, ComponentRef]]:
        """The well-formed references in data that as a whole may be wrong, so that all faults are told in one run."""
        for name, facts in cls.model_fields.items() if isinstance(data, dict) else ():
            for kind in (mark for mark in facts.metadata if isinstance(mark, Kind)):
                yield from _refs((name,), kind, data.get(name), _ref_class(facts.annotation) or ComponentRef)

    def with_refs(self, change: Change) -> Self:
        """The same form with every reference replaced by what `change` returns for its place, its kind and itself."""
        values = {}
        for name, facts in type(self).model_fields.items():
            for kind in (mark for mark in facts.metadata if isinstance(mark, Kind)):
                values[name] = _changed((name,), kind, getattr(self, name), change)
        return self._replaced(values)

    def _replaced(self, values: Mapping[str, Any]) -> Self:
        """A copy with other values. `model_fields_set` stays as it is, so the new values do not count as the user's."""
        copy = type(self).model_construct(_fields_set=self.model_fields_set, **{**dict(self), **values})
        return cast("Self", copy)


def _ref_class(annotation: Any) -> type[ComponentRef] | None:
    """The `ComponentRef`, or the class derived from it, within an annotation such as `dict[str, ComponentRef] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, ComponentRef):
        return annotation
    return next((ref for inner in get_args(annotation) if (ref := _ref_class(inner))), None)


def _refs(
    path: KeyPath, kind: Kind, value: Any, ref_class: type[ComponentRef]
) -> Iterator[tuple[KeyPath, Kind, ComponentRef]]:
    if isinstance(value, ComponentRef):
        if value.use:
            yield path, kind, value
    elif isinstance(value, Mapping) and isinstance(value.get("use"), str):
        if all(isinstance(key, str) for key in value):
            yield path, kind, ref_class.model_construct(**value)
    elif isinstance(value, Mapping | list):
        for key, inner in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _refs((*path, key), kind, inner, ref_class)


def _changed(path: KeyPath, kind: Kind, value: Any, change: Change) -> Any:
    if isinstance(value, ComponentRef):
        return change(path, kind, value) if value.use else value
    if isinstance(value, Mapping):
        return {key: _changed((*path, key), kind, inner, change) for key, inner in value.items()}
    if isinstance(value, list):
        return [_changed((*path, index), kind, inner, change) for index, inner in enumerate(value)]
    return value


class Chunk(Options):
    """How the models' input is cut (white paper §6.2). Samples count at the models' rate."""

    samples: int = option(96_000, unit="samples", ge=1_024, le=10_000_000, help="length of a chunk")
    overlap: int = option(4_800, unit="samples", ge=0, le=5_000_000, help="cross-faded overlap of neighbouring chunks")
    context: float = option(0.5, unit="s", ge=0, le=30, help="further signal on both sides, computed and thrown away")
    batch: int = option(1, unit="chunks", ge=1, le=256, help="chunks in each call of a model, on a GPU")


def default_component(key: str) -> ComponentRef:
    """A component that is used where none is named. These stand in a file, as the presets do: the code names none."""
    text = Path(__file__).with_name("defaults.yaml").read_text(encoding="utf-8")
    return ComponentRef(**yaml.safe_load(text)[key])


class PipelineSpec(Spec):
    """A pipeline file's form."""

    name: str | None = option(None, help="what the outputs' tag calls this pipeline; null = the name of this file")
    input: list[str] = option([], help="files, folders and globs, from this file's folder; the command line's win")
    output: str | None = option(None, help="file, folder or template with {stem}, from this file's folder")
    target_rate: int | None = option(
        None,
        unit="Hz",
        ge=1_000,
        le=768_000,
        help="sample rate of the output; null = up to 96,000, what its format holds",
    )
    resampler: Annotated[ComponentRef, Kind.RESAMPLER] = option(
        default_component("resampler"), help="changes the sample rate"
    )
    detector: Annotated[ComponentRef, Kind.DETECTOR] = option(
        default_component("detector"), help="finds where the source's content ends"
    )
    models: Annotated[dict[str, ComponentRef], Kind.MODEL] = option(
        {}, help="enhancement models, by names of your choice"
    )
    fusion: Annotated[ComponentRef | None, Kind.FUSION] = option(
        None, help="joins the models' estimates; one model alone needs none"
    )
    stereo: Literal["independent", "mid-side"] = option("independent", help="how two channels meet the models")
    chunk: Chunk = option(Chunk(), help="how the models' input is cut")
    cutoff_hz: float | None = option(None, unit="Hz", gt=0, le=384_000, help="where the source ends; null = measured")
    above_edge: Literal["auto", "keep", "replace"] = option(
        "auto", help="what the source has above its edge: kept, taken away, or taken away where it is images"
    )
    keep_source_band: bool = option(True, help="add nothing below the cut-off")
    seed: int = option(0, ge=0, le=2**63 - 1, help="for everything drawn by chance")
    finish: Annotated[list[ComponentRef], Kind.FINISHER] = option([], help="finishers, in order")
    headroom: Literal["auto", "limit", "none"] = option(
        "auto",
        help="peaks beyond full scale: auto lowers the whole file once, by as much as is needed; limit turns them down by "
        "a limiter; none clips them, and leaves out limiters among the finishers",
    )
    export: Annotated[ExportRef | None, Kind.EXPORTER] = option(
        None, help="exporter and its options, or options alone, for the exporter that the output's suffix picks"
    )

    def faults(self) -> Iterator[Fault]:
        """Several models need a fusion."""
        if len(self.models) > 1 and self.fusion is None:
            yield Fault(("models",), f"{len(self.models)} models need a fusion: add the key 'fusion'")
