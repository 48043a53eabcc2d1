"""The pipeline file: YAML to a `PipelineSpec`, every fault at once, each with its place and what to write instead.

A file is read in three steps: YAML to nodes with marks; nodes to a form (`PipelineSpec`), which knows no plugin; and each
`use:` in it against the installed components and their options (`check`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from upscaler_core.components import Kind, Options, explain, option, validate
from upscaler_core.errors import Fault, OptionError, PluginError, Problem, SpecError, UnknownComponent
from upscaler_core.registry import Registry

MAX_BYTES = 1 << 16
"""Of a file; YAML of a mebibyte can keep its parser busy for half a minute."""
MAX_NUMBER = 100
"""Characters of a number or date: `1:1:1:…` is an integer to base 60, and a long one takes for ever."""
MAX_NODES = 10_000
"""Nodes of a file with its aliases written out."""

KeyPath = tuple[int | str, ...]

_TEXT = "tag:yaml.org,2002:str"


class Use(BaseModel):
    """A component by name, and its options beside it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    use: str = Field(description="name of an installed component, see `upscaler plugins`")

    @property
    def options(self) -> dict[str, Any]:
        """The options as they were written."""
        return dict(self.model_extra or {})


class Spec(Options):
    """Base of a file's form. A field that names components says of which kind: `Annotated[Use, Kind.RESAMPLER]`."""

    version: Literal[1] = option(help="version of this form")
    plugins: list[str] = option(
        [], help="local plugins, files of Python, from this file's folder; run only where the user allows it"
    )

    def uses(self) -> Iterator[tuple[KeyPath, Kind, Use]]:
        """Every component that is named, with its place and kind."""
        return self.uses_in({name: getattr(self, name) for name in type(self).model_fields})

    @classmethod
    def uses_in(cls, data: Any) -> Iterator[tuple[KeyPath, Kind, Use]]:
        """The well-formed ones of data that as a whole may not be, so that their faults are told in the same run."""
        for name, facts in cls.model_fields.items() if isinstance(data, dict) else ():
            for kind in (mark for mark in facts.metadata if isinstance(mark, Kind)):
                yield from _uses((name,), kind, data.get(name), _form(facts.annotation) or Use)

    def faults(self) -> Iterator[Fault]:
        """What is wrong between fields."""
        yield from ()


def _form(annotation: Any) -> type[Use] | None:
    """The `Use` within an annotation such as `dict[str, Use] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, Use):
        return annotation
    return next((form for inner in get_args(annotation) if (form := _form(inner))), None)


def _uses(path: KeyPath, kind: Kind, value: Any, form: type[Use]) -> Iterator[tuple[KeyPath, Kind, Use]]:
    if isinstance(value, Use):
        yield path, kind, value
    elif isinstance(value, Mapping) and isinstance(value.get("use"), str):
        if all(isinstance(key, str) for key in value):
            yield path, kind, form.model_construct(**value)
    elif isinstance(value, Mapping | list):
        for key, inner in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _uses((*path, key), kind, inner, form)


S = TypeVar("S", bound=Spec)


class ChunkSpec(Options):
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
    resampler: Annotated[Use, Kind.RESAMPLER] = option(Use(use="poly-sinc-hq"), help="changes the sample rate")
    models: Annotated[dict[str, Use], Kind.MODEL] = option({}, help="enhancement models, by names of your choice")
    fusion: Annotated[Use | None, Kind.FUSION] = option(
        None, help="joins the models' estimates; one model alone needs none"
    )
    stereo: Literal["independent", "mid-side"] = option("independent", help="how two channels meet the models")
    chunk: ChunkSpec = option(ChunkSpec(), help="how the models' input is cut")
    cutoff_hz: float | None = option(None, unit="Hz", gt=0, le=384_000, help="where the source ends; null = measured")
    keep_source_band: bool = option(True, help="add nothing below the cut-off")
    seed: int = option(0, ge=0, le=2**63 - 1, help="for everything drawn by chance")
    finish: Annotated[list[Use], Kind.FINISHER] = option([], help="finishers, in order")
    export: Annotated[Use | None, Kind.EXPORTER] = option(
        None, help="exporter and its options; the output's suffix may pick another"
    )

    def faults(self) -> Iterator[Fault]:
        """Several models need a fusion."""
        if len(self.models) > 1 and self.fusion is None:
            yield Fault(("models",), f"{len(self.models)} models need a fusion: add the key 'fusion'")


@dataclass
class Document:
    """A parsed file: its data, and where each key and value stands."""

    name: str
    data: Any
    keys: dict[KeyPath, str] = field(default_factory=dict)
    values: dict[KeyPath, str] = field(default_factory=dict)

    def where(self, fault: Fault) -> str:
        """`file:line:col` of a fault, or of the nearest thing around it that is written down."""
        path = fault.path
        if fault.at_key and path in self.keys:
            return self.keys[path]
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, self.name)


def load(
    path: Path, registry: Registry, settings: Sequence[str] = (), *, allow_local_plugins: bool = False
) -> PipelineSpec:
    """Read a pipeline file, with `key=value` settings on top, and check all of it, as `load_form` does."""
    return load_form(path, PipelineSpec, registry, settings, allow_local_plugins=allow_local_plugins)


def check(document: Document, registry: Registry, settings: Sequence[str] = ()) -> PipelineSpec:
    """Check a pipeline's form, names and options. Raises as `load_form` does."""
    return _check(document, PipelineSpec, registry, settings)


def load_form(
    path: Path, form: type[S], registry: Registry, settings: Sequence[str] = (), *, allow_local_plugins: bool = False
) -> S:
    """Read a file of some form, such as a training recipe, with `key=value` settings on top, and check all of it.

    Args:
        path: the file.
        form: its form.
        registry: the components that it may name; the local plugins that the file brings are loaded into it.
        settings: `key=value` each.
        allow_local_plugins: run the code of those; refuse a file that brings some otherwise.

    Raises:
        SpecError: every fault of the file (or of the settings) at once.
    """
    spec = _check(read(path), form, registry, settings, path.parent if allow_local_plugins else None)
    here: dict[str, Any] = {}
    if models := getattr(spec, "models", None):
        here["models"] = {name: _beside(path, use) for name, use in models.items()}
    if spec.plugins:
        here["plugins"] = [str((path.parent / plugin).resolve()) for plugin in spec.plugins]
    return spec.model_copy(update=here)


def _beside(path: Path, use: Use) -> Use:
    """A model whose checkpoint lies beside the file names it from here: a folder of both can be moved."""
    checkpoint = use.options.get("checkpoint")
    if not isinstance(checkpoint, str) or not (beside := path.parent / checkpoint).is_file():
        return use
    return use.model_copy(update={"checkpoint": str(beside)})


def _check(
    document: Document, form: type[S], registry: Registry, settings: Sequence[str], plugins_from: Path | None = None
) -> S:
    """Check a document; the folder that its local plugins are loaded from is None where they are not allowed."""
    problems = [problem for setting in settings for problem in _apply(document, setting)]
    if missing := [_problem(document, fault) for fault in _add_plugins(document, registry, plugins_from)]:
        raise SpecError(problems + missing)
    faults: list[Fault] = []
    spec: S | None = None
    try:
        spec = form.model_validate(document.data)
        faults += spec.faults()
    except ValidationError as error:
        faults += explain(error, form)
    for path, kind, use in spec.uses() if spec else form.uses_in(document.data):
        faults += _component_faults(path, kind, use, registry)
    problems += sorted((_problem(document, fault) for fault in faults), key=_order)
    if problems or spec is None:
        raise SpecError(problems)
    return spec


def _add_plugins(document: Document, registry: Registry, folder: Path | None) -> Iterator[Fault]:
    """Load the local plugins that a document names, as far as it names them rightly; without them nothing else is."""
    given = document.data.get("plugins")
    files = {k: name for k, name in enumerate(given) if isinstance(name, str)} if isinstance(given, list) else {}
    if not files:
        return
    if folder is None:
        remedy = "add --allow-local-plugins (in Python: allow_local_plugins=True)"
        yield Fault(("plugins",), f"{' and '.join(files.values())} would run as code: if you trust it, {remedy}")
        return
    for index, name in files.items():
        try:
            registry.add_files([folder / name])
        except PluginError as error:
            yield Fault(("plugins", index), str(error))


def _problem(document: Document, fault: Fault) -> Problem:
    dotted = ".".join(map(str, fault.path))
    return Problem(document.where(fault), f"{dotted}: {fault.sentence}" if dotted else fault.sentence)


def _order(problem: Problem) -> list[int]:
    return [int(number) for number in re.findall(r":(\d+)", problem.where)]


def _component_faults(path: KeyPath, kind: Kind, use: Use, registry: Registry) -> list[Fault]:
    try:
        validate(registry.find(kind, use.use).component, use.options)
    except UnknownComponent as error:
        return [Fault((*path, "use"), str(error))]
    except OptionError as error:
        return [Fault((*path, *fault.path), fault.sentence, fault.at_key) for fault in error.faults]
    return []


def read(path: Path) -> Document:
    """Parse a YAML file with the safe loader: no tags that build objects, no duplicate keys, no alias bombs.

    Raises:
        SpecError: it cannot be read or is not such YAML.
    """
    name = str(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise SpecError([Problem(name, f"a pipeline file is at most {MAX_BYTES >> 10} KiB of YAML")])
        text = data.decode("utf-8")
    except OSError as error:
        raise SpecError([Problem(name, f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError as error:
        raise SpecError([Problem(name, f"is not UTF-8 text (byte {error.start}): is it a pipeline file?")]) from None
    return parse(text, name)


def parse(text: str, name: str = "pipeline") -> Document:
    """Parse YAML text; `name` stands for the file in places. Raises as `read` does."""
    loader: yaml.SafeLoader | None = None
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if not isinstance(root, yaml.MappingNode):
            raise SpecError(
                [Problem(f"{name}:1:1", "a pipeline file is a mapping of keys, beginning with 'version: 1'")]
            )
        if _expanded(root, {}) > MAX_NODES:
            raise SpecError([Problem(name, f"its aliases write out to more than {MAX_NODES:,} nodes")])
        document = Document(name, None)
        problems = list(_mark(document, root, ()))
        if problems:
            raise SpecError(problems)
        document.data = loader.construct_document(root)
        return document
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise SpecError([Problem(place, f"not valid YAML: {error.problem or error.context}")]) from None
    except (LookupError, AttributeError):  # what PyYAML makes of `!!int ""` and the like
        raise SpecError([Problem(name, "not valid YAML: a tag does not fit its value; leave '!!…' out")]) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = "it nests too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())
        raise SpecError([Problem(name, f"not valid YAML: {reason}")]) from None
    finally:
        if loader is not None:
            loader.dispose()


def _expanded(node: yaml.Node, known: dict[int, int]) -> int:
    """How many nodes there are once every alias is written out; a node inside itself counts as too many."""
    if id(node) not in known:
        known[id(node)] = MAX_NODES + 1
        children = (
            [part for pair in node.value for part in pair]
            if isinstance(node, yaml.MappingNode)
            else (node.value if isinstance(node, yaml.SequenceNode) else [])
        )
        known[id(node)] = 1 + sum(_expanded(child, known) for child in children)
    return known[id(node)]


def _mark(document: Document, node: yaml.Node, path: KeyPath) -> Iterator[Problem]:
    """Note where everything stands; yield duplicate keys, keys that are not text, and numbers that are too long."""
    document.values[path] = _place(document, node)
    if isinstance(node, yaml.ScalarNode) and node.tag != _TEXT and len(node.value) > MAX_NUMBER:
        dotted = ".".join(map(str, path))
        yield Problem(_place(document, node), f"{dotted}: a value of {len(node.value):,} characters; if text, quote it")
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _mark(document, item, (*path, index))
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag != _TEXT:
                shown = key.value if isinstance(key, yaml.ScalarNode) else "this"
                yield Problem(_place(document, key), f"{shown}: a key must be plain text; put it in quotes")
                continue
            inner = (*path, key.value)
            if inner in document.keys:
                first = document.keys[inner].removeprefix(f"{document.name}:")
                yield Problem(
                    _place(document, key),
                    f"{'.'.join(map(str, inner))}: the key stands here twice, first at {first}; remove one",
                )
            document.keys[inner] = _place(document, key)
            yield from _mark(document, value, inner)


def _place(document: Document, node: yaml.Node) -> str:
    return f"{document.name}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"


def _apply(document: Document, setting: str) -> list[Problem]:
    """Lay one `key=value` over a document; the path is dotted, the value is YAML."""
    place = f"--set {setting}"
    dotted, equals, text = setting.partition("=")
    path: KeyPath = tuple(int(step) if step.isdigit() else step for step in dotted.split("."))
    if not equals or "" in path:
        return [Problem(place, "write it as key=value, such as chunk.samples=48000")]
    try:
        value = parse(f"value: {text}", place).data["value"]
    except SpecError:
        return [Problem(place, f"'{text}' is not a YAML value; put it in quotes")]
    try:
        inner: Any = document.data
        for step in path[:-1]:
            if isinstance(inner, dict) and inner.get(str(step)) is None:
                inner[str(step)] = {}
            key: Any = step if isinstance(inner, list) else str(step)
            inner = inner[key]
        last: Any = path[-1] if isinstance(inner, list) else str(path[-1])
        if isinstance(inner, list):
            inner[last]  # a list grows by no setting
        inner[last] = value
    except (TypeError, IndexError):
        return [Problem(place, f"there is no {dotted} to set")]
    document.keys = {k: v for k, v in document.keys.items() if k[: len(path)] != path}
    document.values = {k: v for k, v in document.values.items() if k[: len(path)] != path}
    document.keys[path] = document.values[path] = place
    return []
