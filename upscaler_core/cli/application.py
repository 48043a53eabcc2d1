"""The command line, `upscaler`: composed from the installed plugins, and light until something is computed.

Exit codes: 0 all done; 1 some files failed while the others are finished; 2 what was typed; 3 the pipeline file; 4 no
input, or no checkpoint, could be read; 5 an optional dependency is missing; 130 interrupted.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperGroup

from upscaler_core.cli import check, models, plugins, run
from upscaler_core.cli.error_handling import guarded, say
from upscaler_core.errors import UnknownComponent, UpscalerError
from upscaler_core.plugins.components import Kind, suggest
from upscaler_core.plugins.registry import Registry, discover

HELP = "Audio super-resolution: any recording in, a full-band file at 44.1 to 384 kHz out. Every part is a plugin."
EPILOG = (
    "Exit codes: 0 all done; 1 some files failed, the others are finished; 2 what you typed; 3 the pipeline file; "
    "4 no input could be read; 5 an optional dependency is missing; 130 interrupted."
)


def application(registry: Registry) -> typer.Typer:
    """Compose the command line: the core's commands, and those that plugins offer."""
    app = typer.Typer(
        cls=_group(registry),
        help=HELP,
        epilog=EPILOG,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.command("run")(guarded(run.run))
    app.command("enhance")(guarded(run.enhance))
    app.command("check")(guarded(check.check))
    app.command("schema")(guarded(check.schema))
    app.add_typer(plugins.app, name="plugins")
    app.add_typer(models.app, name="models")
    app.command("doctor")(guarded(check.doctor))
    for entry in registry.of(Kind.COMMAND):
        name = registry.name_of(entry)
        settings = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
        app.command(name, help=entry.component.summary, context_settings=settings)(_late(registry, entry.full_name))
    return app


def _group(registry: Registry) -> type[TyperGroup]:
    """Of an unknown command it says which plugins are left out, as it may be one of theirs."""

    class Commands(TyperGroup):
        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            command = super().get_command(ctx, cmd_name)
            if command is None and registry.left_out() and not ctx.resilient_parsing:
                say(f"there is no command '{cmd_name}'; {suggest(cmd_name, self.commands)}{registry.left_out()}")
                raise typer.Exit(UnknownComponent.exit_code)
            return command

    return Commands


def _late(registry: Registry, full_name: str) -> Callable[[typer.Context], None]:
    """A plugin's command, built when it is called."""

    def command(context: typer.Context) -> None:
        raise typer.Exit(registry.build(Kind.COMMAND, full_name)(context.args))

    return guarded(command)


def _own_standard_output() -> None:
    """Send what C libraries print to standard output (libsndfile does) to standard error, so that ours stays our own."""
    with contextlib.suppress(OSError, ValueError):  # closed, or not a file: somebody else's embedding or test
        ours = os.dup(sys.stdout.fileno())
        sys.stdout.flush()
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        sys.stdout = os.fdopen(ours, "w", encoding=sys.stdout.encoding)


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; the console script's entry point."""
    _own_standard_output()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a file name may hold bytes that are no text
    try:
        registry = discover()
    except UpscalerError as error:  # of the user's configuration
        say(str(error))
        sys.exit(error.exit_code)
    return application(registry)(arguments)
