"""`upscaler plugins new`: write the package of a new plugin. It works before a line of it is edited.

The packages are in `templates`: one folder with what all kinds share, and one folder for each kind. They are real packages,
of a plugin named `example`, and the linters check them there. To write a package is to copy it with its name replaced.
"""

from __future__ import annotations

import json
import re
import shlex
import tempfile
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit
from urllib.request import url2pathname

import typer

from upscaler_core.errors import OutputError, UsageError
from upscaler_core.plugins.components import Kind, suggest
from upscaler_core.plugins.registry import DISTRIBUTION, Registry, discover

TEMPLATES = Path(__file__).parent / "templates"
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
HOST = "HOST_REQUIREMENT"
"""Stands in a template for what pip installs this toolkit from."""
TRAINING = '"ai-audio-upscaler[train]>=0.2", '
"""Stands in the template of `pyproject.toml`: packages of kinds without a recipe train nothing."""
NEXT_STEPS = """\
{folder}/ is written: {files} files, a {kind} that works. Next:

  cd {folder}
  python3 -m venv .venv && . .venv/bin/activate    # or an environment that you have
  pip install {host}
  pip install -e '.[dev]'                          # what you edit counts at once
  upscaler plugins show {name}
  pytest                                           # its contract, and tests of its own

Then edit src/{package}/{kind}.py; CONTRIBUTING.md says more."""


def new(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The component's: lower-case words joined by hyphens.")],
    kind: Annotated[str, typer.Option(metavar="KIND", help=f"One of {', '.join(Kind)}.")],
) -> None:
    """Write the package of a new plugin.

    The folder upscaler-plugin-NAME, with a working component, an option, tests and a CI file.
    """
    component_kind = _kind(kind)
    commands = list(getattr(context.find_root().command, "commands", ()))
    refuse_name(name, component_kind, discover(), commands)
    folder = Path(f"upscaler-plugin-{name}")
    files = write(folder, name, component_kind)
    typer.echo(
        NEXT_STEPS.format(
            folder=folder,
            files=len(files),
            kind=component_kind,
            name=name,
            package=package(name),
            host=shlex.quote(host_requirement()),
        )
    )


def _kind(word: str) -> Kind:
    if word not in list(Kind):
        raise UsageError(f"--kind {word}: there is no such kind; {suggest(word, Kind)}")
    return Kind(word)


def package(name: str) -> str:
    """The Python package of a plugin: `upscaler_soft_clip` for `soft-clip`."""
    return f"upscaler_{name.replace('-', '_')}"


def refuse_name(name: str, kind: Kind, registry: Registry, commands: list[str]) -> None:
    """Refuse a word that cannot be a name, and a name that something installed has already.

    Raises:
        UsageError: the message says what is wrong with the name.
    """
    import yaml

    if not NAME.fullmatch(name) or yaml.safe_load(name) != name:  # YAML reads `use: off` as false
        raise UsageError(f"'{name}' cannot be a plugin's name: write lower-case words joined by hyphens, as soft-clip")
    taken = [entry.component.name for entry in registry.of(kind)] + (commands if kind == Kind.COMMAND else [])
    if name in taken:
        raise UsageError(f"there is a {kind} '{name}' already: choose another name")
    if any(plugin.name == name for plugin in registry.plugins) or find_spec(package(name)):
        raise UsageError(f"there is a plugin or package '{name}' already: choose another name")


def host_requirement() -> str:
    """What pip installs this toolkit from, as it was installed here: a folder, a file, a URL, or its name on an index.

    pip writes down a source other than an index (PEP 610).
    """
    try:
        source = metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
    except metadata.PackageNotFoundError:  # run from its source
        return str(Path(__file__).resolve().parents[2])
    if not source:
        return DISTRIBUTION
    facts = json.loads(source)
    url: str = facts["url"]
    if "vcs_info" in facts:
        return f"{facts['vcs_info']['vcs']}+{url}@{facts['vcs_info']['commit_id']}"
    return url2pathname(urlsplit(url).path) if url.startswith("file:") else url


def write(folder: Path, name: str, kind: Kind) -> list[Path]:
    """Write the package of a plugin that offers one component, both of this name.

    If it cannot be finished, there is no folder.

    Returns:
        The files, relative to the folder.

    Raises:
        OutputError: the folder exists, or cannot be written.
    """
    files = sorted(_files(kind))
    try:
        if folder.exists() or folder.is_symlink():
            raise OutputError(f"{folder} exists already: choose another name, or move it away")
        with tempfile.TemporaryDirectory(prefix=".upscaler-", dir=folder.parent) as work:
            unfinished = Path(work) / folder.name
            for template, path in files:
                target = unfinished / _with_name(str(path), name)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(_filled(template.read_text(encoding="utf-8"), name, kind), encoding="utf-8")
            unfinished.rename(folder)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}") from error
    return [Path(_with_name(str(path), name)) for _, path in files]


def _files(kind: Kind) -> list[tuple[Path, Path]]:
    """Every file of a kind's package: the template, and its path in the new folder."""
    return [
        (path, path.relative_to(root))
        for root in (TEMPLATES / "shared", TEMPLATES / kind)
        for path in root.rglob("*")
        if path.is_file() and "cache" not in str(path.relative_to(root))  # Python and linters leave such folders
    ]


def _filled(text: str, name: str, kind: Kind) -> str:
    """A template's text with the plugin's own name, its host's source, and the extra that its tests need, if any."""
    text = _with_name(text, name).replace(HOST, host_requirement())
    return text if (TEMPLATES / kind / "recipe.yaml").exists() else text.replace(TRAINING, "")


def _with_name(text: str, name: str) -> str:
    """The text of a template with the plugin's own name in it."""
    return re.sub("(upscaler_)?example", lambda match: package(name) if match[1] else name, text)
