"""Reads a file, applies the user's settings, and checks its form, the components that it names, and their options."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from upscaler_core.errors import Fault, OptionError, PluginError, Problem, SpecError, UnknownComponent
from upscaler_core.files.inputs import expand_home
from upscaler_core.pipeline.spec import ComponentRef, PipelineSpec, Spec
from upscaler_core.pipeline.yaml_document import Document, KeyPath, Setting, apply_setting, read
from upscaler_core.plugins.components import Kind, Options, explain, validate
from upscaler_core.plugins.registry import Registry

S = TypeVar("S", bound=Spec)


def load(
    path: Path, registry: Registry, settings: Sequence[str | Setting] = (), *, allow_local_plugins: bool = False
) -> PipelineSpec:
    """Read a pipeline file, with `key=value` settings on top, and check all of it, as `load_form` does.

    A pipeline without a name gets that of its file, without the suffix.
    """
    spec = load_form(path, PipelineSpec, registry, settings, allow_local_plugins=allow_local_plugins)
    return spec if spec.name is not None else spec.model_copy(update={"name": path.stem})


def check(document: Document, registry: Registry, settings: Sequence[str | Setting] = ()) -> PipelineSpec:
    """Check a pipeline's form, names and options. Raises as `load_form` does."""
    return _check(document, PipelineSpec, registry, settings)


def load_form(
    path: Path,
    form: type[S],
    registry: Registry,
    settings: Sequence[str | Setting] = (),
    *,
    allow_local_plugins: bool = False,
) -> S:
    """Read a file of some form, such as a training recipe, with `key=value` settings on top, and check all of it.

    Args:
        path: the file.
        form: its form.
        registry: the components that it may name. The local plugins that the file names are loaded into it.
        settings: `key=value` each. One that chooses another component, as `resampler.use=soxr`, drops the options that the
            file has for the former one.
        allow_local_plugins: run the code of local plugins; otherwise a file that names some is refused.

    Returns:
        The form. The options of every component in it are checked. Paths of checkpoints and local plugins that are relative
        to the file's folder are rewritten to be relative to the working folder.

    Raises:
        SpecError: every fault of the file (or of the settings) at once.
    """
    return _check(read(path), form, registry, settings, path.parent, allow_local_plugins=allow_local_plugins)


def with_checked_options(spec: S, registry: Registry) -> S:
    """Check the options of all components against what is installed in this process.

    Raises:
        UsageError: a component or an option is wrong.
    """

    def checked(path: KeyPath, kind: Kind, ref: ComponentRef) -> ComponentRef:
        return ref.with_options(validate(registry.find(kind, ref.use).component, ref.options))

    return spec.with_refs(checked)


def _check(
    document: Document,
    form: type[S],
    registry: Registry,
    settings: Sequence[str | Setting],
    folder: Path | None = None,
    *,
    allow_local_plugins: bool = False,
) -> S:
    """Check a document whose relative paths begin at `folder`."""
    problems: list[Problem] = []
    for setting in sorted(map(Setting.parse, settings), key=lambda setting: setting.order):
        _write_default(document, form, setting.path)
        if setting.path[-1] == "use":
            _drop_options(document, form, setting)
        problems += apply_setting(document, setting)
    plugins_folder = folder if allow_local_plugins else None
    if missing := [_problem(document, fault) for fault in _add_plugins(document, registry, plugins_folder)]:
        raise SpecError(problems + missing)
    faults: list[Fault] = []
    spec: S | None = None

    def checked(path: KeyPath, kind: Kind, ref: ComponentRef) -> ComponentRef:
        if folder and kind in (Kind.MODEL, Kind.DETECTOR):
            ref = _with_checkpoint_from(folder, ref)
        options = _checked_options(path, kind, ref, registry, faults)
        return ref if options is None else ref.with_options(options)

    try:
        spec = form.model_validate(document.data)
        faults += spec.faults()
        spec = spec.with_refs(checked)
    except ValidationError as error:
        faults += explain(error, form)
        for path, kind, ref in form.refs_in(document.data):
            checked(path, kind, ref)
    problems += sorted((_problem(document, fault) for fault in faults), key=_order)
    if problems or spec is None:
        raise SpecError(problems)
    if folder and spec.plugins:
        spec = spec.model_copy(
            update={"plugins": [str((folder / expand_home(plugin)).resolve()) for plugin in spec.plugins]}
        )
    return spec


def _write_default(document: Document, form: type[Spec], path: KeyPath) -> None:
    """Write the component into a document that is used where the file names none, for a setting of one of its options."""
    facts = form.model_fields.get(str(path[0]))
    if facts and isinstance(facts.default, ComponentRef) and len(path) > 1 and document.data.get(path[0]) is None:
        document.data[path[0]] = {"use": facts.default.use, **facts.default.written}


def _drop_options(document: Document, form: type[Spec], setting: Setting) -> None:
    """Remove the options of the component that a setting replaces by another one."""
    place = setting.path[:-1]
    for path, _, ref in form.refs_in(document.data):
        if path == place and ref.use != setting.value:
            container = document.data
            for step in place:
                container = container[step]
            for name in ref.written:
                del container[name]


def _with_checkpoint_from(folder: Path, ref: ComponentRef) -> ComponentRef:
    """Resolve the path of a checkpoint relative to the pipeline file's folder, if the checkpoint lies there."""
    checkpoint = ref.written.get("checkpoint")
    if not isinstance(checkpoint, str) or not (beside := folder / expand_home(checkpoint)).is_file():
        return ref
    return ref.model_copy(update={"checkpoint": str(beside)})


def _add_plugins(document: Document, registry: Registry, folder: Path | None) -> Iterator[Fault]:
    """Load the local plugins that a document names; `folder` is None where they are not allowed."""
    names = document.data.get("plugins")
    files = {k: name for k, name in enumerate(names) if isinstance(name, str)} if isinstance(names, list) else {}
    if not files:
        return
    if folder is None:
        remedy = "add --allow-local-plugins (in Python: allow_local_plugins=True)"
        yield Fault(("plugins",), f"{' and '.join(files.values())} would run as code: if you trust it, {remedy}")
        return
    for index, name in files.items():
        try:
            registry.add_files([folder / expand_home(name)])
        except PluginError as error:
            yield Fault(("plugins", index), str(error))


def _checked_options(
    path: KeyPath, kind: Kind, ref: ComponentRef, registry: Registry, faults: list[Fault]
) -> Options | None:
    """A component's options; None, and its faults added to the list, where the component or an option is wrong."""
    try:
        return validate(registry.find(kind, ref.use).component, ref.written)
    except UnknownComponent as error:
        faults.append(Fault((*path, "use"), str(error)))
    except OptionError as error:
        faults += [Fault((*path, *fault.path), fault.sentence, fault.at_key) for fault in error.faults]
    return None


def _problem(document: Document, fault: Fault) -> Problem:
    dotted = ".".join(map(str, fault.path))
    return Problem(document.where(fault), f"{dotted}: {fault.sentence}" if dotted else fault.sentence)


def _order(problem: Problem) -> list[int]:
    return [int(number) for number in re.findall(r":(\d+)", problem.where)]
