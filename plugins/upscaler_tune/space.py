"""The space that is searched: which options of a recipe vary, and between which bounds."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from upscaler_core import Options, Registry, UsageError, option
from upscaler_core.pipeline import ComponentRef, Spec
from upscaler_core.plugins import suggest

KeyPath = tuple[int | str, ...]


class Range(Options):
    """What an option's value is drawn from. A bound that is left out is the option's own."""

    choices: list[Any] | None = option(None, help="these values", min_length=1)
    low: float | None = option(None, help="the lowest value")
    high: float | None = option(None, help="the highest value")
    log: bool = option(False, help="each octave is as likely as any other")
    step: float | None = option(None, gt=0, help="distance from a value to the next")


WHITE_PAPER = {
    "models.*.base_channels": Range(choices=[16, 32, 64]),
    "models.*.num_layers": Range(choices=[3, 4, 5]),
    "optimizer.learning_rate": Range(low=1e-4, high=1e-3, log=True),
    "batch": Range(choices=[4, 8, 16]),
}
"""Searched where a recipe says nothing (white paper §8.1), as far as its models have these options."""


@dataclass(frozen=True)
class Parameter:
    """What is drawn as one value, and where in the recipe it goes."""

    places: tuple[KeyPath, ...]
    distribution: BaseDistribution


Space = Mapping[str, Parameter]


def space_of(spec: Spec, search: Mapping[str, Range | None], registry: Registry) -> Space:
    """What a checked recipe asks to be searched, by the paths that it wrote; the white paper's space if nothing."""
    if search:
        return {name: parameter(spec, name, drawn or Range(), registry) for name, drawn in search.items()}
    space = {}
    for name, drawn in WHITE_PAPER.items():
        with contextlib.suppress(ValueError):
            space[name] = parameter(spec, name, drawn, registry)
    return space


def parameter(spec: Spec, name: str, drawn: Range, registry: Registry) -> Parameter:
    """A parameter from its dotted path, in which `*` stands for every name that has the option.

    Raises:
        ValueError: a sentence that says what is wrong with the path or the range.
    """
    found = list(_Finder(spec, registry).walk(spec, name.split(".")))
    distributions = [_distribution(field, drawn) for _, field in found]
    if any(other != distributions[0] for other in distributions[1:]):
        raise ValueError("these options have different bounds of their own: write low and high, or choices")
    return Parameter(tuple(path for path, _ in found), distributions[0])


class _Finder:
    """Finds options of a recipe and of the components that it names, with their places."""

    def __init__(self, spec: Spec, registry: Registry) -> None:
        self.registry = registry
        self.kinds = {path: kind for path, kind, _ in spec.refs()}

    def walk(self, value: Any, steps: Sequence[str], path: KeyPath = ()) -> Iterator[tuple[KeyPath, FieldInfo]]:
        """The options, at least one, that the steps lead to from a part of the recipe; raises as `parameter` does."""
        step, rest = steps[0], steps[1:]
        fields, inner = self._fields(value, path), _inner(value)
        if step == "*":
            yield from self._walk_all(inner, rest, path)
        elif step in inner and rest:
            yield from self.walk(inner[step], rest, (*path, int(step) if isinstance(value, list) else step))
        elif step in fields and not rest and not _inner(inner.get(step)):
            yield (*path, step), fields[step]
        elif step in inner and not rest:
            raise ValueError(f"'{step}' is not one option but several: write {step}. and the name of one")
        else:
            place = f" in {'.'.join(map(str, path))}" if path else ""
            raise ValueError(f"there is no '{step}' to search{place}; {suggest(step, fields or inner)}")

    def _walk_all(
        self, inner: Mapping[str, Any], steps: Sequence[str], path: KeyPath
    ) -> Iterator[tuple[KeyPath, FieldInfo]]:
        """Through every name that leads somewhere; one must."""
        missed, found = ValueError("'*' stands for names, and there are none here"), False
        for name, value in inner.items() if steps else ():
            try:
                yield from self.walk(value, steps, (*path, name))
                found = True
            except ValueError as error:
                missed = error
        if not found:
            raise missed

    def _fields(self, value: Any, path: KeyPath) -> Mapping[str, FieldInfo]:
        """The options of a part of a recipe: its own, and those of the component that it names."""
        if not isinstance(value, BaseModel):
            return {}
        own = {name: field for name, field in type(value).model_fields.items() if name != "use"}
        if not isinstance(value, ComponentRef):
            return own
        try:
            return {**self.registry.find(self.kinds[path], value.use).component.options.model_fields, **own}
        except UsageError:  # an unknown component, which is told at its own place
            return own


def _inner(value: Any) -> dict[str, Any]:
    """What a part of a recipe holds, by name or number."""
    if isinstance(value, BaseModel):
        return {name: getattr(value, name) for name in type(value).model_fields if name != "use"}
    if isinstance(value, list):
        return {str(index): item for index, item in enumerate(value)}
    return dict(value) if isinstance(value, Mapping) else {}


def _distribution(field: FieldInfo, drawn: Range) -> BaseDistribution:
    """What is drawn from, every value of which the option takes."""
    adapter: TypeAdapter[Any] = TypeAdapter(Annotated[field.annotation, field])  # type: ignore[arg-type]
    form = _form(field.annotation)
    bounded = (drawn.low, drawn.high, drawn.step) != (None, None, None) or drawn.log
    if drawn.choices is not None:
        if bounded:
            raise ValueError("write either choices, or low, high, log and step")
        return CategoricalDistribution([_checked(adapter, value) for value in drawn.choices])
    if form not in (int, float):
        values = [False, True] if form is bool else get_args(form) if get_origin(form) is Literal else None
        if not values or bounded:
            raise ValueError("is not a number: write {choices: [...]}")
        return CategoricalDistribution(values)
    if drawn.log and drawn.step:
        raise ValueError("log and step exclude each other")
    low, high = _ends(field, drawn, whole=form is int)
    low, high = _checked(adapter, low), _checked(adapter, high)
    if low > high:
        raise ValueError(f"low, {low:g}, is above high, {high:g}")
    if drawn.log and low <= 0:
        raise ValueError(f"with log, low must be above 0, not {low:g}")
    if drawn.step and not math.isclose((high - low) / drawn.step, round((high - low) / drawn.step), abs_tol=1e-9):
        raise ValueError(f"from {low:g} to {high:g} is no whole number of steps of {drawn.step:g}")
    if form is float:
        return FloatDistribution(low, high, log=drawn.log, step=drawn.step)
    if drawn.step and drawn.step != int(drawn.step):
        raise ValueError(f"step must be a whole number, not {drawn.step:g}")
    return IntDistribution(low, high, log=drawn.log, step=int(drawn.step or 1))


def _form(annotation: Any) -> Any:
    """The type that an annotation means beside None."""
    if get_origin(annotation) in (Union, UnionType):
        forms = [form for form in get_args(annotation) if form is not type(None)]
        return forms[0] if len(forms) == 1 else None
    return annotation


def _ends(field: FieldInfo, drawn: Range, *, whole: bool) -> tuple[float, float]:
    """Lowest and highest value, as written or the option's own; an end that an option excludes is none."""
    low, high = drawn.low, drawn.high
    for bound in field.metadata:
        if low is None and isinstance(bound, Ge | Gt):
            low = bound.ge if isinstance(bound, Ge) else bound.gt + 1 if whole else None  # type: ignore[assignment, operator]
        elif high is None and isinstance(bound, Le | Lt):
            high = bound.le if isinstance(bound, Le) else bound.lt - 1 if whole else None  # type: ignore[assignment, operator]
    if low is None or high is None:
        missing = "low" if low is None else "high"
        raise ValueError(f"the option has no {missing} end of its own that it includes: write {missing}")
    return low, high


def _checked(adapter: TypeAdapter[Any], value: Any) -> Any:
    """A value as the option takes it."""
    try:
        taken = adapter.validate_python(value)
    except ValidationError as error:
        sentence = error.errors(include_url=False)[0]["msg"].replace("Input should be", "must be", 1)
        said = f"{value:g}" if isinstance(value, float) else repr(value)
        raise ValueError(f"{said} {sentence}") from None
    if not isinstance(taken, bool | int | float | str | None):
        raise ValueError(f"{value!r} is neither number nor text")
    return taken
