"""`upscaler models`: list, show and verify checkpoints, and import weights from other formats."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, cast

import typer
import yaml

from upscaler_core.cli import completion
from upscaler_core.cli.error_handling import print_error, with_error_handling
from upscaler_core.errors import InputError, UpscalerError, UsageError
from upscaler_core.models import checkpoint
from upscaler_core.models.checkpoint import Card, Checkpoint, ModelOptions
from upscaler_core.plugins.components import Kind, suggest, validate
from upscaler_core.plugins.registry import Entry, Registry, discover

app = typer.Typer(help="List, show, verify or import checkpoints.", invoke_without_command=True, rich_markup_mode=None)

WEIGHTS = "state_dict"
"""Part of a foreign file that holds the weights of its model; PyTorch programs usually name it so."""

OWN_NETWORK = "a network of your own comes in as a plugin: `upscaler plugins new NAME --kind model` writes one"
"""Advice where weights fit no installed model."""

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.callback()
@with_error_handling
def models(context: typer.Context, as_json: Json = False) -> None:
    """List every checkpoint: the models' own, and those in your folder."""
    if not context.invoked_subcommand:
        listing(as_json)


@app.command("list")
@with_error_handling
def listing(as_json: Json = False) -> None:
    """List every checkpoint.

    Name, component, where it is from, size, hash and summary.
    """
    rows = [_row(where, path) for where, path in _available(discover())]
    if as_json:
        typer.echo(json.dumps({"version": 1, "models": rows}, indent=2))
        return
    if not rows:
        typer.echo(f"no checkpoints: none ship, and {checkpoint.local_folder()} holds none")
        return
    widths = [max(len(row[key]) for row in rows) for key in ("name", "component", "where")]
    for row in rows:
        name, component, where = (
            row[key].ljust(width) for key, width in zip(("name", "component", "where"), widths, strict=True)
        )
        size = f"{row['bytes'] / 1e6:.1f} MB"
        typer.echo(f"{name}  {component}  {where}  {size:>9}  {row['sha256'][:8]:8}  {row['summary']}".rstrip())


def _row(where: str, path: Path) -> dict[str, Any]:
    row = {"name": path.stem, "where": where, "path": str(path), "bytes": path.stat().st_size}
    try:
        card = checkpoint.read_card(path)
    except InputError as error:
        return {**row, "component": "broken", "sha256": "", "summary": str(error)}
    return {**row, "component": card.component, "sha256": card.sha256, "summary": card.summary}


@app.command("show")
@with_error_handling
def show(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME|FILE", help="A checkpoint.", autocompletion=completion.checkpoint_names),
    ],
) -> None:
    """Show a checkpoint's card.

    Component, options, how and on what it was trained, scores, limits.
    """
    for path in _named(discover(), name):
        typer.echo(path)
        card = checkpoint.read_card(path).model_dump(mode="json")
        typer.echo(yaml.safe_dump({key: value for key, value in card.items() if value}, sort_keys=False), nl=False)


@app.command("verify")
@with_error_handling
def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME|FILE",
            help="Checkpoints; all of them by default.",
            autocompletion=completion.checkpoint_names,
        ),
    ] = None,
) -> None:
    """Verify checkpoints.

    Truncation, hash, NaN, and whether the model is installed and takes them. Exit 4 where one is broken.
    """
    registry = discover()
    broken = False
    for path in [p for name in names for p in _named(registry, name)] if names else _paths(registry):
        try:
            _load(registry, checkpoint.read_checkpoint(path))
            typer.echo(f"{path}: ok")
        except UpscalerError as error:
            broken = True
            print_error(str(error))
    raise typer.Exit(InputError.exit_code if broken else 0)


def _load(registry: Registry, opened: Checkpoint) -> None:
    """Build the checkpoint's model with its weights."""
    name = opened.card.component
    kind = Kind.DETECTOR if name in registry.names(Kind.DETECTOR) else Kind.MODEL
    try:
        registry.build(kind, name, {"checkpoint": str(opened.path.absolute())})
    except UsageError as error:
        raise InputError(f"{opened.path} holds weights of {opened.card.component}: {error}") from None


@app.command("import")
@with_error_handling
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .ckpt, .pt or .safetensors file.")],
    component: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="COMPONENT",
            help="The model that plain weights are of.",
            show_default=False,
            autocompletion=completion.model_names,
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="What to call it; the file's name by default.", show_default=False)
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="An option the weights do not tell.", show_default=False),
    ] = None,
) -> None:
    """Bring weights in from other formats.

    A checkpoint with state_dict and spectral_state_dict becomes NAME-wave and NAME-spec; plain weights, a state dict or
    safetensors, need --as. Code in a pickle is refused, not run.
    """
    content = _read_weights(file)
    if component and WEIGHTS not in content:
        content = {WEIGHTS: content}
    if not isinstance(content.get(WEIGHTS), dict):
        raise InputError(f"{file} has no {WEIGHTS}: say of which model these weights are, by --as COMPONENT")
    registry, options = discover(), _settings(settings or [])
    takers = [(WEIGHTS, "", registry.find(Kind.MODEL, component))] if component else _takers(registry)
    checkpoints = [
        (_target(f"{name or file.stem}{suffix}"), _checkpoint(registry, entry, file, content, part, options))
        for part, suffix, entry in takers
        if isinstance(content.get(part), dict)
    ]
    if not checkpoints:
        raise InputError(
            f"no model says that it takes {WEIGHTS} of {file}: say which one does, by --as COMPONENT"
            f"{registry.unavailable_note()}; {OWN_NETWORK}"
        )
    for target, opened in checkpoints:
        checkpoint.write_checkpoint(target, opened.tensors, opened.card)
        typer.echo(f"{target.stem}: {opened.card.component}, {target}")
    models = ", ".join(
        f"{path.stem}: {{use: {it.card.component}, checkpoint: {path.stem}}}" for path, it in checkpoints
    )
    typer.echo(f"To use it, write into a pipeline file:\n  models: {{{models}}}")
    if len(checkpoints) > 1:
        typer.echo("and a fusion that joins them; `upscaler plugins` lists fusions.")
    else:
        typer.echo(f"or type: upscaler enhance FILE --preset baseline --set 'models={{{models}}}'")


def _takers(registry: Registry) -> list[tuple[str, str, Entry]]:
    """Parts of foreign files, each with the ending of the new checkpoint's name and the model that takes the part.

    The models' options say it (`ModelOptions.foreign_parts`). If two models take a part, the built-in one gets it.
    """
    takers: dict[str, tuple[str, str, Entry]] = {}
    for entry in registry.of(Kind.MODEL):
        if issubclass(entry.component.options, ModelOptions):
            for part, suffix in entry.component.options.foreign_parts.items():
                takers.setdefault(part, (part, suffix, entry))
    return list(takers.values())


def _checkpoint(
    registry: Registry, entry: Entry, file: Path, content: Mapping[str, Any], part: str, settings: Mapping[str, Any]
) -> Checkpoint:
    """One part of a foreign file as a checkpoint with a card, after its model has loaded the weights.

    Options of the model come from three places. What the weights' shapes tell wins over what the file says, and
    `settings`, which the user typed, win over both.
    """
    import torch

    component = entry.component
    if not issubclass(component.options, ModelOptions):
        raise UsageError(f"the model {registry.name_of(entry)} has no weights")
    if not all(isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in content[part].items()):
        raise InputError(f"{file} holds more than tensors in its {part}")
    # torch's DataParallel puts "module." before every name.
    tensors = {key.removeprefix("module."): value for key, value in content[part].items()}
    untrained: Any = registry.build(Kind.MODEL, entry.full_name, {"checkpoint": "none"})
    from_file = {key: value for key, value in content.items() if key in component.options.model_fields}
    from_shapes = untrained.options_of(tensors) if hasattr(untrained, "options_of") else {}
    values = {**from_file, **from_shapes, "checkpoint": "none"}
    try:
        validate(component, values)
    except UsageError as error:
        raise InputError(f"{file} does not fit: {error}") from None
    options = validate(component, {**values, **settings})
    model: Any = registry.build(Kind.MODEL, entry.full_name, options)
    shape = cast("ModelOptions", options).shape()
    card = Card(component=component.name, options=shape, rate=model.rate, summary=f"imported from {file.name}")
    opened = Checkpoint(file, card, tensors)
    try:
        opened.into(model)
    except InputError as error:
        raise InputError(f"{error}; {OWN_NETWORK}") from None
    opened.refuse_nan()
    return opened


def _target(name: str) -> Path:
    """Where a new checkpoint of that name goes."""
    target = checkpoint.local_folder() / f"{name}{checkpoint.SUFFIX}"
    if Path(name).name != name:
        raise UsageError(f"--name takes a bare name, not '{name}'")
    if target.exists():
        raise UsageError(f"there is a checkpoint {target} already: choose another --name")
    return target


def _read_weights(file: Path) -> dict[str, Any]:
    """What a foreign file holds. No code in it runs."""
    import torch
    from safetensors.torch import load_file

    try:
        _refuse_compressed_parts(file)
        content = load_file(file) if file.suffix == checkpoint.SUFFIX else torch.load(file, "cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}") from None
    except InputError:
        raise
    except Exception:  # noqa: BLE001 - for a damaged file, torch's unpickler raises errors of many types
        raise InputError(
            f"{file} is damaged, or a pickle of more than weights, which could run code: refused"
        ) from None
    if not isinstance(content, dict):
        raise InputError(f"{file} holds a {type(content).__name__}, not a dict of weights")
    return dict(content)


def _refuse_compressed_parts(file: Path) -> None:
    """Refuse a zip file with compressed parts: torch stores them as they are, and a small one may unpack to gigabytes."""
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as parts:
            if any(part.compress_type != zipfile.ZIP_STORED for part in parts.infolist()):
                raise InputError(f"{file} holds compressed parts, which torch does not write: refused")


def _settings(words: list[str]) -> dict[str, Any]:
    """The options that `--set KEY=VALUE` gives, values read as YAML."""
    settings = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"--set takes KEY=VALUE, not '{word}'")
        settings[key] = yaml.safe_load(value)
    return settings


def _available(registry: Registry) -> Iterator[tuple[str, Path]]:
    entries = [*registry.of(Kind.MODEL), *registry.of(Kind.DETECTOR)]
    return checkpoint.available([entry.component for entry in entries])


def _paths(registry: Registry) -> list[Path]:
    return [path for _, path in _available(registry)]


def _named(registry: Registry, name: str) -> list[Path]:
    """The file of that path, or the installed checkpoints of that name."""
    if (path := Path(name)).suffix or len(path.parts) > 1:
        return [path]
    paths = _paths(registry)
    if not (matches := [path for path in paths if path.stem == name]):
        raise InputError(f"there is no checkpoint '{name}'; {suggest(name, [path.stem for path in paths])}")
    return matches
