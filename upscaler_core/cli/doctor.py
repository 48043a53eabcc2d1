"""`upscaler doctor`: check the installation."""

from __future__ import annotations

import platform
import shutil
from importlib import metadata

import typer

from upscaler_core.errors import UpscalerError
from upscaler_core.plugins.registry import DISTRIBUTION, Registry, discover

ABSENT = "not installed"
"""Printed instead of a version."""


def doctor() -> None:
    """Tell what is installed and what is broken.

    Versions, devices, ffmpeg, extras, broken plugins and their remedies. Exit 1 where a plugin is broken.
    """
    registry = discover()
    typer.echo(f"{DISTRIBUTION} {_version(DISTRIBUTION)}, Python {platform.python_version()}, {platform.platform()}")
    for name in ("torch", "numpy", "soundfile", "pluggy", "stevedore", "pydantic", "typer", "rich"):
        typer.echo(f"  {name} {_version(name)}")
    _devices()
    ffmpeg = shutil.which("ffmpeg")
    typer.echo(f"ffmpeg: {ffmpeg or 'not found; needed only for formats that libsndfile lacks: install ffmpeg'}")
    _extras(registry)
    tags = f"mutagen {_version('mutagen')}" if _version("mutagen") != ABSENT else f"pip install '{DISTRIBUTION}[tags]'"
    typer.echo(f"extra tags: {tags}")
    for plugin in registry.plugins:
        if plugin.disabled:
            typer.echo(f"plugin '{plugin.name}' is {plugin.trouble}")
    broken = [plugin for plugin in registry.plugins if plugin.stage]
    for plugin in broken:
        owner = plugin.distribution or plugin.target
        typer.echo(f"broken plugin '{plugin.name}' of {owner} ({plugin.stage}): {plugin.reason}")
        typer.echo(f"  remedy: update it, or pip uninstall {owner}; everything else works without it")
    if not broken:
        typer.echo("every plugin is whole")
    raise typer.Exit(1 if broken else 0)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ABSENT


def _devices() -> None:
    try:
        import torch
    except (ImportError, OSError) as error:
        typer.echo(f"torch does not import: {error}\n  remedy: pip install --force-reinstall 'torch>=2.9,<2.14'")
        return
    threads = torch.get_num_threads()
    typer.echo(f"cpu: {torch.backends.cpu.get_cpu_capability()}, {threads} thread{'s' * (threads != 1)}")
    cuda = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    typer.echo(f"cuda: {', '.join(cuda) if cuda else 'no device, or a CPU build of torch'}")


def _extras(registry: Registry) -> None:
    """Build every component that needs an extra, and print which extras are installed."""
    for entry in registry.entries:
        if not entry.component.extra:
            continue
        try:
            registry.build(entry.kind, entry.full_name)
            typer.echo(f"extra {entry.component.name}: installed")
        except UpscalerError as error:
            typer.echo(f"extra {entry.component.name}: {error}")
