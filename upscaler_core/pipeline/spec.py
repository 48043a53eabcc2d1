"""The form of a pipeline file, and the base of other files' forms. It knows no plugin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from upscaler_core.errors import Fault
from upscaler_core.pipeline.document import KeyPath
from upscaler_core.plugins.components import Kind, Options, option


class ComponentRef(BaseModel):
    """A component by name, and its options beside it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    use: str = Field(description="name of an installed component, see `upscaler plugins`")

    @property
    def options(self) -> dict[str, Any]:
        """The options as they were written."""
        return dict(self.model_extra or {})


class Spec(Options):
    """Base of a file's form. A field that names components says of which kind: `Annotated[ComponentRef, Kind.RESAMPLER]`."""

    version: Literal[1] = option(help="version of this form")
    plugins: list[str] = option(
        [], help="local plugins, files of Python, from this file's folder; run only where the user allows it"
    )

    def uses(self) -> Iterator[tuple[KeyPath, Kind, ComponentRef]]:
        """Every component that is named, with its place and kind."""
        return self.uses_in({name: getattr(self, name) for name in type(self).model_fields})

    @classmethod
    def uses_in(cls, data: Any) -> Iterator[tuple[KeyPath, Kind, ComponentRef]]:
        """The well-formed ones of data that as a whole may not be, so that their faults are told in the same run."""
        for name, facts in cls.model_fields.items() if isinstance(data, dict) else ():
            for kind in (mark for mark in facts.metadata if isinstance(mark, Kind)):
                yield from _uses((name,), kind, data.get(name), _form(facts.annotation) or ComponentRef)

    def faults(self) -> Iterator[Fault]:
        """What is wrong between fields."""
        yield from ()


def _form(annotation: Any) -> type[ComponentRef] | None:
    """The `ComponentRef` within an annotation such as `dict[str, ComponentRef] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, ComponentRef):
        return annotation
    return next((form for inner in get_args(annotation) if (form := _form(inner))), None)


def _uses(
    path: KeyPath, kind: Kind, value: Any, form: type[ComponentRef]
) -> Iterator[tuple[KeyPath, Kind, ComponentRef]]:
    if isinstance(value, ComponentRef):
        yield path, kind, value
    elif isinstance(value, Mapping) and isinstance(value.get("use"), str):
        if all(isinstance(key, str) for key in value):
            yield path, kind, form.model_construct(**value)
    elif isinstance(value, Mapping | list):
        for key, inner in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _uses((*path, key), kind, inner, form)


class Chunk(Options):
    """How the models' input is cut; samples at the models' rate."""

    samples: int = option(96_000, unit="samples", ge=1_024, le=10_000_000, help="length of a chunk")
    overlap: int = option(4_800, unit="samples", ge=0, le=5_000_000, help="cross-faded overlap of neighbouring chunks")
    context: float = option(0.5, unit="s", ge=0, le=30, help="further signal on both sides, computed and thrown away")
    batch: int = option(1, unit="chunks", ge=1, le=256, help="chunks in each call of a model, on a GPU")


class PipelineSpec(Spec):
    """A pipeline file's form."""

    input: list[str] = option([], help="files, folders and globs, from this file's folder; the command line's win")
    output: str | None = option(None, help="file, folder or template with {stem}, from this file's folder")
    target_rate: int = option(96_000, unit="Hz", ge=1_000, le=768_000, help="sample rate of the output")
    resampler: Annotated[ComponentRef, Kind.RESAMPLER] = option(
        ComponentRef(use="poly-sinc-hq"), help="changes the sample rate"
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
    keep_source_band: bool = option(True, help="add nothing below the cut-off")
    seed: int = option(0, ge=0, le=2**63 - 1, help="for everything drawn by chance")
    finish: Annotated[list[ComponentRef], Kind.FINISHER] = option([], help="finishers, in order")
    export: Annotated[ComponentRef | None, Kind.EXPORTER] = option(
        None, help="exporter and its options; the output's suffix may pick another"
    )

    def faults(self) -> Iterator[Fault]:
        """Several models need a fusion."""
        if len(self.models) > 1 and self.fusion is None:
            yield Fault(("models",), f"{len(self.models)} models need a fusion: add the key 'fusion'")
