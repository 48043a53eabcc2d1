"""A file's data against its form, and each component that it names against the installed ones and their options."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from upscaler_core.errors import Fault, OptionError, PluginError, Problem, SpecError, UnknownComponent
from upscaler_core.pipeline.document import Document, KeyPath, apply_setting, read
from upscaler_core.pipeline.spec import ComponentRef, PipelineSpec, Spec
from upscaler_core.plugins.components import Kind, explain, validate
from upscaler_core.plugins.registry import Registry

S = TypeVar("S", bound=Spec)


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


def _beside(path: Path, use: ComponentRef) -> ComponentRef:
    """A model whose checkpoint lies beside the file names it from here: a folder of both can be moved."""
    checkpoint = use.options.get("checkpoint")
    if not isinstance(checkpoint, str) or not (beside := path.parent / checkpoint).is_file():
        return use
    return use.model_copy(update={"checkpoint": str(beside)})


def _check(
    document: Document, form: type[S], registry: Registry, settings: Sequence[str], plugins_from: Path | None = None
) -> S:
    """Check a document; the folder that its local plugins are loaded from is None where they are not allowed."""
    problems = [problem for setting in settings for problem in apply_setting(document, setting)]
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


def _component_faults(path: KeyPath, kind: Kind, use: ComponentRef, registry: Registry) -> list[Fault]:
    try:
        validate(registry.find(kind, use.use).component, use.options)
    except UnknownComponent as error:
        return [Fault((*path, "use"), str(error))]
    except OptionError as error:
        return [Fault((*path, *fault.path), fault.sentence, fault.at_key) for fault in error.faults]
    return []
