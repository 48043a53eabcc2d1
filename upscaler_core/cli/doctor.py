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
    """Show what is installed and what is broken.

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
    for plugin in registry.plugins:
        if plugin.disabled:
            typer.echo(f"plugin '{plugin.name}' is {plugin.trouble}")
    broken = [plugin for plugin in registry.plugins if plugin.stage]
    for plugin in broken:
        owner = plugin.distribution or plugin.target
        typer.echo(f"broken plugin '{plugin.name}' of {owner} ({plugin.stage}): {plugin.reason}")
        typer.echo(f"  remedy: update it, or pip uninstall {owner}; everything else works without it")
    if not broken:
        typer.echo("All plugins loaded.")
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
    """Print of every extra whether it is installed, and of those that are, which components still lack something else."""
    extras = metadata.metadata(DISTRIBUTION).get_all("Provides-Extra", []) if _version(DISTRIBUTION) != ABSENT else []
    for extra in extras:
        trouble = _trouble_with(extra, registry)
        if not trouble and (missing := missing_packages(DISTRIBUTION, extra)):
            trouble = f"lacks {', '.join(missing)}: pip install '{DISTRIBUTION}[{extra}]'"
        typer.echo(f"extra {extra}: {trouble or 'installed'}")


def missing_packages(distribution: str, extra: str) -> list[str]:
    """What an extra of a distribution asks for and is not installed, or not in a version that will do.

    >>> missing_packages("pytest", "no-such-extra")
    []
    """
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    missing = []
    for text in metadata.requires(distribution) or []:
        requirement = Requirement(text)
        if not requirement.marker or not requirement.marker.evaluate({"extra": extra}):
            continue
        if requirement.marker.evaluate({"extra": ""}):  # asked for by the distribution itself
            continue
        if canonicalize_name(requirement.name) == canonicalize_name(distribution):
            missing += [name for other in requirement.extras for name in missing_packages(distribution, other)]
        else:
            installed = _version(requirement.name)
            if installed == ABSENT or not requirement.specifier.contains(installed, prereleases=True):
                missing.append(requirement.name)
    return list(dict.fromkeys(missing))


def _trouble_with(extra: str, registry: Registry) -> str:
    """Why a component that needs an extra cannot be built; empty where all can, or where only their use would show it."""
    for entry in registry.entries:
        if entry.component.extra == f"{DISTRIBUTION}[{extra}]":
            try:
                registry.build(entry.kind, entry.full_name)
            except UpscalerError as error:
                return str(error)
    return ""
