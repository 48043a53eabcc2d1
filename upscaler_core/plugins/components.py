"""The record by which a plugin declares a component, so that it can be listed, documented and checked before it is built."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from upscaler_core.errors import Fault, OptionError


class Kind(StrEnum):
    """The kinds of component. Each kind has one protocol, one hook and one contract."""

    RESAMPLER = "resampler"
    DETECTOR = "detector"
    MODEL = "model"
    FUSION = "fusion"
    DEGRADATION = "degradation"
    LOSS = "loss"
    METRIC = "metric"
    EXPORTER = "exporter"
    READER = "reader"
    FINISHER = "finisher"
    COMMAND = "command"

    @property
    def plural(self) -> str:
        """`losses` for `loss`, otherwise with an s."""
        return f"{self}es" if self.endswith("s") else f"{self}s"

    @property
    def hook(self) -> str:
        """The name of the hook that offers components of this kind, such as `upscaler_resamplers`."""
        return f"upscaler_{self.plural}"


class Options(BaseModel):
    """Base of every component's options. Unknown keys are errors; values are checked once and never change.

    Bounds, units and meaning are declared here once: the command line, the JSON Schema, the documentation and the tuner's
    search space read them. Declare a field with `option`:

    >>> class Gain(Options):
    ...     gain_db: float = option(0.0, unit="dB", ge=-60, le=20, help="gain applied to every sample")
    >>> Gain(gain_db=3).gain_db
    3.0
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


def option(default: Any = ..., *, help: str, unit: str | None = None, **bounds: Any) -> Any:
    """Declare one field of an `Options` model: default (`...` = required), meaning, unit and bounds (`ge`, `le`, ...)."""
    return Field(default, description=help, json_schema_extra={"unit": unit} if unit else None, **bounds)


_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_FACTORY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class Component:
    """One component that a plugin offers. `factory(options)` builds it; the factory is imported only then.

    Args:
        name: lower-case words joined by hyphens, such as `poly-sinc-hq`.
        factory: `"package.module:attribute"`, a callable that takes the options and returns the component.
        options: the pydantic model of its options.
        summary: one line for listings.
        extra: the pip requirement that the component needs beyond its own distribution, such as `ai-audio-upscaler[soxr]`.
        suffixes: file suffixes with their dot, for readers and exporters. Where the user names no suffix,
            an exporter writes the first one.

    Raises:
        TypeError, ValueError: a field has the wrong type or form.
    """

    name: str
    factory: str
    options: type[Options] = Options
    summary: str = ""
    extra: str | None = None
    suffixes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise ValueError(f"component name {self.name!r} is not lower-case words joined by hyphens")
        if not isinstance(self.factory, str) or not _FACTORY.fullmatch(self.factory):
            raise ValueError(f"{self.name}: factory {self.factory!r} is not 'package.module:attribute'")
        if not (isinstance(self.options, type) and issubclass(self.options, Options)):
            raise TypeError(f"{self.name}: options must be a subclass of upscaler_core.Options, not {self.options!r}")
        if any(not s.startswith(".") or s != s.lower() for s in self.suffixes):
            raise ValueError(f"{self.name}: suffixes {self.suffixes!r} must be lower case and begin with a dot")


def suggest(name: str, names: Iterable[str]) -> str:
    """The end of a message about an unknown name: the names that resemble it, or else all names.

    >>> suggest("sinq", ["sinc", "linear"])
    "did you mean 'sinc'?"
    """
    known = sorted(set(names))
    if close := difflib.get_close_matches(name, known, n=2, cutoff=0.6):
        return "did you mean " + " or ".join(f"'{c}'" for c in close) + "?"
    return f"choose from {', '.join(known)}" if known else "there is none to choose from"


def explain(error: ValidationError, model: type[BaseModel]) -> list[Fault]:
    """Turn pydantic's errors into sentences that say what to write instead."""
    faults = []
    for detail in error.errors(include_url=False):
        path, value = detail["loc"], detail["input"]
        if detail["type"] == "extra_forbidden":
            faults.append(
                Fault(path, f"unknown key; {suggest(str(path[-1]), _fields_at(model, path[:-1]))}", at_key=True)
            )
            continue
        if detail["type"] == "missing":
            faults.append(Fault(path[:-1], f"the key '{path[-1]}' is missing here"))
            continue
        sentence = detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be", 1)
        if isinstance(value, str | int | float | None) and detail["type"] != "value_error":
            sentence += f", not {value!r}"
        faults.append(Fault(path, sentence))
    return faults


def _fields_at(model: type[BaseModel], path: tuple[int | str, ...]) -> Iterable[str]:
    """The keys that a form has at a path."""
    annotation: Any = model
    for key in path:
        form = _model_in(annotation)
        if form and key in form.model_fields:
            annotation = form.model_fields[str(key)].annotation
    form = _model_in(annotation)
    return form.model_fields if form else ()


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The pydantic model within an annotation such as `dict[str, Model | None]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((form for inner in get_args(annotation) if (form := _model_in(inner))), None)


def validate(component: Component, values: Mapping[str, Any] | Options) -> Options:
    """Check option values against a component's options model.

    Raises:
        OptionError: the values are wrong; the message names every fault at once.
    """
    if isinstance(values, component.options):
        return values
    try:
        return component.options.model_validate(dict(values))
    except ValidationError as error:
        raise OptionError(component.name, explain(error, component.options)) from None
