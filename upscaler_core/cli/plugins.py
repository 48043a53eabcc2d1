"""`upscaler plugins`: list, show, check, write, disable and enable plugins."""

from __future__ import annotations

import itertools
import json
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, NamedTuple

import typer

from upscaler_core.cli import completion, scaffold
from upscaler_core.cli.error_handling import with_error_handling
from upscaler_core.errors import MissingDependency, PluginError, UnknownComponent, UpscalerError
from upscaler_core.plugins.components import Component, Kind, suggest
from upscaler_core.plugins.registry import DISTRIBUTION, Entry, PluginInfo, Registry, discover
from upscaler_core.plugins.user_config import disable_plugins, read_config

app = typer.Typer(
    help="List, show, check and write plugins.",
    invoke_without_command=True,
    rich_markup_mode=None,
)

app.command("new")(with_error_handling(scaffold.new))


@app.callback()
@with_error_handling
def listing(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    disable: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PLUGIN",
            help="Turn a plugin off from now on. May be repeated.",
            show_default=False,
            autocompletion=completion.plugin_names,
        ),
    ] = None,
    enable: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PLUGIN",
            help="Turn a disabled plugin on again. May be repeated.",
            show_default=False,
            autocompletion=completion.plugin_names,
        ),
    ] = None,
) -> None:
    """List every component, kind by kind."""
    if disable or enable:
        switch(disable or [], enable or [])
        return
    if context.invoked_subcommand:
        return
    registry = discover()
    rows = [_component(registry, entry) for entry in registry.entries]
    rows += [_unavailable(plugin) for plugin in registry.plugins if plugin.trouble]
    if as_json:
        typer.echo(json.dumps({"version": 1, "components": rows}, indent=2))
        return
    for line in listing_lines(registry, _width()):
        typer.echo(line)


def _width() -> int:
    """Columns of the terminal; a pipe has no right edge."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000


def listing_lines(registry: Registry, width: int) -> Iterator[str]:
    """Every component, kind by kind, a line each; then what is broken or disabled."""
    entries = sorted(registry.entries, key=lambda entry: list(Kind).index(entry.kind))
    indent = 4 + max((len(registry.name_of(entry)) for entry in entries), default=0)
    for kind, group in itertools.groupby(entries, key=lambda entry: entry.kind):
        yield kind.plural
        for entry in group:
            owner = "" if entry.plugin.built_in else f" (from {_owner(entry.plugin)})"
            name = f"  {registry.name_of(entry)}".ljust(indent)
            yield from _wrapped(f"{entry.component.summary}{owner}", name, width)
        yield ""
    if troubled := [plugin for plugin in registry.plugins if plugin.trouble]:
        yield "not available"
        for plugin in troubled:
            yield from _wrapped(f"{plugin.trouble} (from {_owner(plugin)})", f"  {plugin.name}".ljust(indent), width)
        yield ""
    version = next((plugin.version for plugin in registry.plugins if plugin.built_in), "")
    yield from _wrapped(
        f"{len(entries)} components, part of {DISTRIBUTION} {version} where nothing else is said. "
        "`upscaler plugins show NAME` shows a component's options.",
        "",
        width,
        indent=0,
    )


def _owner(plugin: PluginInfo) -> str:
    """What a plugin came with: a distribution and its version, or a local file."""
    return f"{plugin.distribution} {plugin.version}".strip() or plugin.target


def _wrapped(text: str, name: str, width: int, indent: int | None = None) -> list[str]:
    hanging = " " * (len(name) if indent is None else indent)
    lines = textwrap.wrap(
        text, width, initial_indent=name, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False
    )
    return lines or [name.rstrip()]


def _component(registry: Registry, entry: Entry) -> dict[str, Any]:
    plugin, component = entry.plugin, entry.component
    return {
        "name": registry.name_of(entry),
        "kind": str(entry.kind),
        "plugin": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "state": plugin.state,
        "summary": component.summary,
        "extra": component.extra,
    }


def _unavailable(plugin: PluginInfo) -> dict[str, Any]:
    return {
        "name": plugin.name,
        "kind": "plugin",
        "plugin": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "state": plugin.state,
        "stage": plugin.stage,
        "reason": plugin.reason,
        "trouble": plugin.trouble,
    }


def switch(disable: Sequence[str], enable: Sequence[str]) -> None:
    """Write into the user's configuration which plugins are disabled, and print it.

    Raises:
        UnknownComponent: there is no plugin of one of the names.
        OutputError: the file cannot be written.
    """
    former = read_config().disabled_plugins
    known = {plugin.name for plugin in discover().plugins}.union(former)
    for name in (*disable, *enable):
        if name not in known:
            raise UnknownComponent(f"there is no plugin '{name}'; {suggest(name, known)}")
    disabled = sorted({*former, *disable}.difference(enable))
    path = disable_plugins(disabled)
    typer.echo(f"disabled plugins: {', '.join(disabled) or 'none'} (written to {path})")


@app.command("show")
@with_error_handling
def show(
    name: Annotated[
        str,
        typer.Argument(help="A component's name, or plugin/name.", autocompletion=completion.component_names),
    ],
) -> None:
    """Show a component and its options.

    Each option with type, default, unit, bounds and meaning.
    """
    registry = discover()
    for index, entry in enumerate(_named(registry, name)):
        typer.echo(("\n" if index else "") + describe(registry, entry))


def _named(registry: Registry, name: str) -> list[Entry]:
    entries = [entry for entry in registry.entries if name in (entry.component.name, entry.full_name)]
    if not entries:
        for plugin in registry.plugins:
            if plugin.name == name and plugin.trouble:
                raise PluginError(f"the plugin '{name}' is {plugin.trouble}")
        known = [entry.component.name for entry in registry.entries]
        raise UnknownComponent(f"there is no component '{name}'; {suggest(name, known)}{registry.unavailable_note()}")
    return entries


def describe(registry: Registry, entry: Entry) -> str:
    """All that is known of a component, in plain text."""
    component, plugin = entry.component, entry.plugin
    owner = _owner(plugin)
    lines = [
        f"{registry.name_of(entry)}: {component.summary}",
        f"  {entry.kind} of the plugin '{plugin.name}' ({owner})",
    ]
    if component.suffixes:
        lines.append(f"  suffixes: {' '.join(component.suffixes)}")
    if component.extra:
        lines.append(f"  needs: pip install '{component.extra}'")
    lines += ["", *option_lines(component)] if component.options.model_fields else ["  no options"]
    return "\n".join(lines)


class OptionFacts(NamedTuple):
    """One option of a component, as text for people."""

    name: str
    type: str
    unit: str
    bounds: str
    default: str
    """In JSON; empty where the option is required."""
    help: str


def option_facts(component: Component) -> Iterator[OptionFacts]:
    """Every option, from its pydantic model."""
    for name, facts in component.options.model_json_schema().get("properties", {}).items():
        default = json.dumps(facts["default"]) if "default" in facts else ""
        bounds = ", ".join(_bounds(facts))
        yield OptionFacts(name, _type(facts), facts.get("unit", ""), bounds, default, facts.get("description", ""))


def option_lines(component: Component) -> list[str]:
    """Two lines for each option: type, unit, bounds and default; meaning."""
    lines = []
    for option in option_facts(component):
        parts = [option.type, option.unit and f"in {option.unit}", option.bounds]
        default = f"default {option.default}" if option.default else "required"
        lines += [f"  {option.name}: {', '.join(filter(None, parts))}; {default}", f"      {option.help}"]
    return lines


def _type(facts: dict[str, Any]) -> str:
    """An option's type or choices, from its JSON Schema."""
    if "enum" in facts:
        return " | ".join(json.dumps(value) for value in facts["enum"])
    if "const" in facts:
        return json.dumps(facts["const"])
    if "anyOf" in facts:
        return " | ".join(_type(choice) for choice in facts["anyOf"])
    if "items" in facts:
        return f"list of {_type(facts['items'])}"
    return str(facts.get("type", "any"))


def _bounds(facts: dict[str, Any]) -> list[str]:
    """An option's bounds, such as `>= 0`, from its JSON Schema."""
    for choice in facts.get("anyOf", []):
        if inner := _bounds(choice):
            return inner
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    return [f"{sign} {facts[key]}" for key, sign in signs.items() if key in facts]


@app.command("check")
@with_error_handling
def check(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A component, or plugin/name; all of them by default.", autocompletion=completion.component_names
        ),
    ] = None,
) -> None:
    """Run the contracts of components.

    Each is built, and what its protocol asks is checked. Exit 1 where one is broken.
    """
    from upscaler_core.testing import contract_failures

    registry = discover()
    entries = _named(registry, name) if name else registry.entries
    failed = 0
    for entry in entries:
        label = f"{entry.kind} {registry.name_of(entry)}"
        try:
            failures = contract_failures(registry, entry)
        except MissingDependency as error:
            typer.echo(f"{label}: not checked: {error}")
            continue
        except UpscalerError as error:
            failures = [str(error)]
        failed += bool(failures)
        typer.echo(f"{label}: " + ("ok" if not failures else "\n  ".join(["broken", *failures])))
    for plugin in registry.plugins if name is None else []:
        if plugin.stage:
            failed += 1
            typer.echo(f"plugin {plugin.name}: {plugin.trouble}")
    raise typer.Exit(1 if failed else 0)
