"""`upscaler plugins`: what is installed, what it offers, whether it keeps its contract."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from upscaler_core.cli.guard import guarded
from upscaler_core.components import Component, near
from upscaler_core.errors import MissingDependency, PluginError, UnknownComponent, UpscalerError
from upscaler_core.registry import Entry, Registry, discover

app = typer.Typer(
    help="List what is installed; show or check a component.",
    invoke_without_command=True,
    rich_markup_mode=None,
)


@app.callback()
@guarded
def listing(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List every component: name, kind, distribution, version, state."""
    if context.invoked_subcommand:
        return
    registry = discover()
    rows = [_component(registry, entry) for entry in registry.entries]
    rows += [_broken(plugin) for plugin in registry.plugins if plugin.stage]
    if as_json:
        typer.echo(json.dumps({"version": 1, "components": rows}, indent=2))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, 200)
    table = Table(box=None, pad_edge=False)
    for heading in ("name", "kind", "distribution", "version", "state", "what it is"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        state = "ok" if row["state"] == "ok" else f"broken at {row['stage']}: {row['reason']}"
        told = row.get("summary", "")
        table.add_row(
            *(
                escape(str(cell))
                for cell in (row["name"], row["kind"], row["distribution"], row["version"], state, told)
            )
        )
    console.print(table)


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


def _broken(plugin: Any) -> dict[str, Any]:
    return {
        "name": plugin.name,
        "kind": "plugin",
        "plugin": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "state": "broken",
        "stage": plugin.stage,
        "reason": plugin.reason,
    }


@app.command("show")
@guarded
def show(name: Annotated[str, typer.Argument(help="A component's name, or plugin/name.")]) -> None:
    """Show a component and its options.

    Each option with type, default, unit, bounds and meaning.
    """
    registry = discover()
    for index, entry in enumerate(_named(registry, name)):
        typer.echo(("\n" if index else "") + describe(registry, entry))


def _named(registry: Registry, name: str) -> list[Entry]:
    found = [entry for entry in registry.entries if name in (entry.component.name, entry.full_name)]
    if not found:
        for plugin in registry.plugins:
            if plugin.name == name and plugin.stage:
                raise PluginError(f"the plugin '{name}' is broken at {plugin.stage}: {plugin.reason}")
        known = [entry.component.name for entry in registry.entries]
        raise UnknownComponent(f"there is no component '{name}'; {near(name, known)}")
    return found


def describe(registry: Registry, entry: Entry) -> str:
    """A component's page, in plain text."""
    component, plugin = entry.component, entry.plugin
    owner = f"{plugin.distribution} {plugin.version}".strip() or plugin.target
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


def option_lines(component: Component) -> list[str]:
    """One paragraph an option: type, default, unit, bounds, meaning."""
    schema = component.options.model_json_schema()
    lines = []
    for name, facts in schema.get("properties", {}).items():
        parts = [_type(facts)]
        if unit := facts.get("unit"):
            parts.append(f"in {unit}")
        parts += _bounds(facts)
        default = f"default {json.dumps(facts['default'])}" if "default" in facts else "required"
        lines += [f"  {name}: {', '.join(parts)}; {default}", f"      {facts.get('description', '')}"]
    return lines


def _type(facts: dict[str, Any]) -> str:
    if "enum" in facts:
        return " | ".join(json.dumps(value) for value in facts["enum"])
    if "const" in facts:
        return json.dumps(facts["const"])
    if "anyOf" in facts:
        return " | ".join(_type(choice) for choice in facts["anyOf"])
    return str(facts.get("type", "any"))


def _bounds(facts: dict[str, Any]) -> list[str]:
    for choice in facts.get("anyOf", []):
        if inner := _bounds(choice):
            return inner
    words = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    return [f"{sign} {facts[key]}" for key, sign in words.items() if key in facts]


@app.command("check")
@guarded
def check(
    name: Annotated[str | None, typer.Argument(help="A component, or plugin/name; all of them by default.")] = None,
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
            typer.echo(f"plugin {plugin.name}: broken at {plugin.stage}: {plugin.reason}")
    raise typer.Exit(1 if failed else 0)
