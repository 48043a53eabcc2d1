"""The search space: which options of a recipe vary, and within which bounds."""

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
    """The values that an option can get in a search. A bound that is missing is the option's own."""

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
"""The search space of a recipe without one (white paper §8.1), as far as its models have these options."""


@dataclass(frozen=True)
class Parameter:
    """A value that is drawn for each trial."""

    key_paths: tuple[KeyPath, ...]
    """The options of the recipe that get this value."""
    distribution: BaseDistribution


SearchSpace = Mapping[str, Parameter]
"""Parameters, by their dotted paths in the recipe."""


def search_space(spec: Spec, ranges: Mapping[str, Range | None], registry: Registry) -> SearchSpace:
    """The search space of a checked recipe with these ranges; that of the white paper if there are none."""
    if ranges:
        return {name: parameter(spec, name, value_range or Range(), registry) for name, value_range in ranges.items()}
    space = {}
    for name, value_range in WHITE_PAPER.items():
        with contextlib.suppress(ValueError):
            space[name] = parameter(spec, name, value_range, registry)
    return space


def parameter(spec: Spec, name: str, value_range: Range, registry: Registry) -> Parameter:
    """The parameter with a dotted path, in which `*` stands for every name that has the option.

    Raises:
        ValueError: the path or the range is wrong; the message is a sentence for the user.
    """
    options = list(_Finder(spec, registry).walk(spec, name.split(".")))
    distributions = [_distribution(field, value_range) for _, field in options]
    if any(other != distributions[0] for other in distributions[1:]):
        raise ValueError("these options have different bounds of their own: write low and high, or choices")
    return Parameter(tuple(path for path, _ in options), distributions[0])


class _Finder:
    """Finds options of a recipe and of its components, with their key paths."""

    def __init__(self, spec: Spec, registry: Registry) -> None:
        self.registry = registry
        self.kinds = {path: kind for path, kind, _ in spec.refs()}

    def walk(self, value: Any, steps: Sequence[str], path: KeyPath = ()) -> Iterator[tuple[KeyPath, FieldInfo]]:
        """The options, at least one, that some steps from a part of the recipe lead to. It raises as `parameter` does.

        Args:
            value: the part of the recipe.
            steps: the keys from there; `*` stands for any key.
            path: the key path of the part.
        """
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
        """The options behind every name from which the steps lead to one; at least one name must."""
        failure, succeeded = ValueError("'*' stands for names, and there are none here"), False
        for name, value in inner.items() if steps else ():
            try:
                yield from self.walk(value, steps, (*path, name))
                succeeded = True
            except ValueError as error:
                failure = error
        if not succeeded:
            raise failure

    def _fields(self, value: Any, path: KeyPath) -> Mapping[str, FieldInfo]:
        """The options of a part of a recipe: its own, and those of its component if it names one."""
        if not isinstance(value, BaseModel):
            return {}
        own = {name: field for name, field in type(value).model_fields.items() if name != "use"}
        if not isinstance(value, ComponentRef):
            return own
        try:
            return {**self.registry.find(self.kinds[path], value.use).component.options.model_fields, **own}
        except UsageError:  # an unknown component, which has an error message of its own
            return own


def _inner(value: Any) -> dict[str, Any]:
    """The parts of a part of a recipe, by name or number."""
    if isinstance(value, BaseModel):
        return {name: getattr(value, name) for name in type(value).model_fields if name != "use"}
    if isinstance(value, list):
        return {str(index): item for index, item in enumerate(value)}
    return dict(value) if isinstance(value, Mapping) else {}


def _distribution(field: FieldInfo, value_range: Range) -> BaseDistribution:
    """The distribution of an option's values in a range; the option accepts all of them."""
    adapter: TypeAdapter[Any] = TypeAdapter(Annotated[field.annotation, field])  # type: ignore[arg-type]
    value_type = _value_type(field.annotation)
    bounded = (value_range.low, value_range.high, value_range.step) != (None, None, None) or value_range.log
    if value_range.choices is not None:
        if bounded:
            raise ValueError("write either choices, or low, high, log and step")
        return CategoricalDistribution([_validated(adapter, value) for value in value_range.choices])
    if value_type not in (int, float):
        values = [False, True] if value_type is bool else _literals(value_type)
        if not values or bounded:
            raise ValueError("is not a number: write {choices: [...]}")
        return CategoricalDistribution(values)
    if value_range.log and value_range.step:
        raise ValueError("log and step exclude each other")
    low, high = _bounds(field, value_range, integer=value_type is int)
    low, high = _validated(adapter, low), _validated(adapter, high)
    if low > high:
        raise ValueError(f"low, {low:g}, is above high, {high:g}")
    if value_range.log and low <= 0:
        raise ValueError(f"with log, low must be above 0, not {low:g}")
    steps = (high - low) / (value_range.step or 1)
    if value_range.step and not math.isclose(steps, round(steps), abs_tol=1e-9):
        raise ValueError(f"from {low:g} to {high:g} is no whole number of steps of {value_range.step:g}")
    if value_type is float:
        return FloatDistribution(low, high, log=value_range.log, step=value_range.step)
    if value_range.step and value_range.step != int(value_range.step):
        raise ValueError(f"step must be a whole number, not {value_range.step:g}")
    return IntDistribution(low, high, log=value_range.log, step=int(value_range.step or 1))


def _value_type(annotation: Any) -> Any:
    """The type of an annotation without None; None if there are several."""
    if get_origin(annotation) in (Union, UnionType):
        types = [member for member in get_args(annotation) if member is not type(None)]
        return types[0] if len(types) == 1 else None
    return annotation


def _literals(annotation: Any) -> Sequence[Any]:
    """The values of a `Literal`; none for another type."""
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _bounds(field: FieldInfo, value_range: Range, *, integer: bool) -> tuple[float, float]:
    """Lowest and highest value: those of the range, or else the option's own if the option includes them."""
    low, high = value_range.low, value_range.high
    for bound in field.metadata:
        if low is None and isinstance(bound, Ge | Gt):
            low = bound.ge if isinstance(bound, Ge) else bound.gt + 1 if integer else None  # type: ignore[assignment, operator]
        elif high is None and isinstance(bound, Le | Lt):
            high = bound.le if isinstance(bound, Le) else bound.lt - 1 if integer else None  # type: ignore[assignment, operator]
    if low is None or high is None:
        missing = "low" if low is None else "high"
        raise ValueError(f"the option has no {missing} end of its own that it includes: write {missing}")
    return low, high


def _validated(adapter: TypeAdapter[Any], value: Any) -> Any:
    """The value after the option's own validation.

    Raises:
        ValueError: the option refuses it.
    """
    try:
        validated = adapter.validate_python(value)
    except ValidationError as error:
        sentence = error.errors(include_url=False)[0]["msg"].replace("Input should be", "must be", 1)
        text = f"{value:g}" if isinstance(value, float) else repr(value)
        raise ValueError(f"{text} {sentence}") from None
    if not isinstance(validated, bool | int | float | str | None):
        raise ValueError(f"{value!r} is neither number nor text")
    return validated
