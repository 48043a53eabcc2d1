"""`upscaler models`: which checkpoints there are, what they are, whether they are whole; bring foreign ones in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, cast

import typer
import yaml

from upscaler_core.cli.error_handling import guarded, say
from upscaler_core.errors import InputError, UpscalerError, UsageError
from upscaler_core.models import checkpoint
from upscaler_core.models.checkpoint import Card, Checkpoint, ModelOptions
from upscaler_core.plugins.components import Kind, suggest, validate
from upscaler_core.plugins.registry import Registry, discover

app = typer.Typer(help="List, show, verify or import checkpoints.", invoke_without_command=True, rich_markup_mode=None)

PAPER = {"state_dict": ("waveform-unet", "-wave"), "spectral_state_dict": ("spectral-unet", "-spec")}
"""What the parts of the white paper's checkpoint hold (§6.1): the component, and what is added to the name."""

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.callback()
@guarded
def models(context: typer.Context, as_json: Json = False) -> None:
    """List every checkpoint: the models' own, and those in your folder."""
    if not context.invoked_subcommand:
        listing(as_json)


@app.command("list")
@guarded
def listing(as_json: Json = False) -> None:
    """List every checkpoint.

    Name, component, where it is from, size, hash and summary.
    """
    rows = [_row(where, path) for where, path in _installed(discover())]
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
@guarded
def show(name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A checkpoint.")]) -> None:
    """Show a checkpoint's card.

    Component, options, how and on what it was trained, scores, limits.
    """
    for path in _named(discover(), name):
        typer.echo(path)
        card = checkpoint.read_card(path).model_dump(mode="json")
        typer.echo(yaml.safe_dump({key: value for key, value in card.items() if value}, sort_keys=False), nl=False)


@app.command("verify")
@guarded
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME|FILE", help="Checkpoints; all of them by default.")
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
            say(str(error))
    raise typer.Exit(InputError.exit_code if broken else 0)


def _load(registry: Registry, opened: Checkpoint) -> None:
    """Build the checkpoint's model on its weights."""
    try:
        registry.build(Kind.MODEL, opened.card.component, {"checkpoint": str(opened.path.absolute())})
    except UsageError as error:
        raise InputError(f"{opened.path} holds weights of {opened.card.component}: {error}") from None


@app.command("import")
@guarded
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .ckpt, .pt or .safetensors file.")],
    component: Annotated[
        str | None,
        typer.Option("--as", metavar="COMPONENT", help="The model that plain weights are of.", show_default=False),
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
    found = _read_weights(file)
    if component and "state_dict" not in found:
        found = {"state_dict": found}
    if not isinstance(found.get("state_dict"), dict):
        raise InputError(f"{file} has no state_dict: say of which model these weights are, by --as COMPONENT")
    parts = {"state_dict": (component, "")} if component else PAPER
    registry, options = discover(), _settings(settings or [])
    ready = [
        (_target(f"{name or file.stem}{suffix}"), _understood(registry, of, file, found, part, options))
        for part, (of, suffix) in parts.items()
        if isinstance(found.get(part), dict)
    ]
    for target, read in ready:
        checkpoint.write_checkpoint(target, read.tensors, read.card)
        typer.echo(f"{target.stem}: {read.card.component}, {target}")


def _understood(
    registry: Registry, of: str, file: Path, found: Mapping[str, Any], part: str, settings: Mapping[str, Any]
) -> Checkpoint:
    """One model's weights with a card, once the model has taken them."""
    import torch

    component = registry.find(Kind.MODEL, of).component
    if not issubclass(component.options, ModelOptions):
        raise UsageError(f"the model {of} has no weights")
    if not all(isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in found[part].items()):
        raise InputError(f"{file} holds more than tensors in its {part}")
    tensors = {key.removeprefix("module."): value for key, value in found[part].items()}  # torch's DataParallel adds it
    untrained: Any = registry.build(Kind.MODEL, of, {"checkpoint": "none"})
    seen = untrained.options_of(tensors) if hasattr(untrained, "options_of") else {}
    said = {key: value for key, value in found.items() if key in component.options.model_fields}
    told = {**said, **seen, "checkpoint": "none"}
    try:
        validate(component, told)
    except UsageError as error:
        raise InputError(f"{file} does not fit: {error}") from None
    options = validate(component, {**told, **settings})
    model: Any = registry.build(Kind.MODEL, of, options)
    shape = cast("ModelOptions", options).shape()
    card = Card(component=of, options=shape, rate=model.rate, summary=f"imported from {file.name}")
    read = Checkpoint(file, card, tensors)
    read.into(model)
    read.refuse_nan()
    return read


def _target(name: str) -> Path:
    target = checkpoint.local_folder() / f"{name}{checkpoint.SUFFIX}"
    if Path(name).name != name:
        raise UsageError(f"--name takes a bare name, not '{name}'")
    if target.exists():
        raise UsageError(f"there is a checkpoint {target} already: choose another --name")
    return target


def _read_weights(file: Path) -> dict[str, Any]:
    """What a foreign file holds; nothing in it is run."""
    import torch
    from safetensors.torch import load_file

    try:
        found = load_file(file) if file.suffix == checkpoint.SUFFIX else torch.load(file, "cpu", weights_only=True)
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}") from None
    except Exception:  # noqa: BLE001 - on garbage, torch's unpickler raises whatever comes first
        raise InputError(
            f"{file} is damaged, or a pickle of more than weights, which could run code: refused"
        ) from None
    if not isinstance(found, dict):
        raise InputError(f"{file} holds a {type(found).__name__}, not a dict of weights")
    return dict(found)


def _settings(words: list[str]) -> dict[str, Any]:
    told = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"--set takes KEY=VALUE, not '{word}'")
        told[key] = yaml.safe_load(value)
    return told


def _installed(registry: Registry) -> Iterator[tuple[str, Path]]:
    return checkpoint.available([entry.component for entry in registry.of(Kind.MODEL)])


def _paths(registry: Registry) -> list[Path]:
    return [path for _, path in _installed(registry)]


def _named(registry: Registry, name: str) -> list[Path]:
    """The file of that path, or the installed checkpoints of that name."""
    if (path := Path(name)).suffix or len(path.parts) > 1:
        return [path]
    paths = _paths(registry)
    if not (found := [path for path in paths if path.stem == name]):
        raise InputError(f"there is no checkpoint '{name}'; {suggest(name, [path.stem for path in paths])}")
    return found
