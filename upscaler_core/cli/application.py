"""The command line `upscaler`: the core's commands, and those of the installed plugins.

It imports nothing heavy until something is computed.

Exit codes: 0 all done; 1 some files failed while the others are finished; 2 wrong arguments; 3 an error in
the pipeline file; 4 no input, or no checkpoint, could be read; 5 an optional dependency is missing; 130 interrupted.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperGroup

from upscaler_core.cli import check, doctor, models, plugins, run
from upscaler_core.cli.error_handling import print_error, with_error_handling
from upscaler_core.cli.options import user_defaults
from upscaler_core.errors import UnknownComponent, UpscalerError
from upscaler_core.plugins.components import Kind, suggest
from upscaler_core.plugins.registry import Registry, discover
from upscaler_core.processes import safe_path

HELP = "Turns any recording into a full-bandwidth file at 44.1 to 384 kHz. Every part is a plugin."
EPILOG = (
    "Exit codes: 0 all done; 1 some files failed or are damaged, the others are finished; 2 wrong arguments; "
    "3 an error in the pipeline file; 4 no input could be read; 5 an optional dependency is missing; 130 interrupted."
)


def build_app(registry: Registry) -> typer.Typer:
    """Build the command line from the core's commands and those that plugins offer."""
    app = typer.Typer(
        cls=_group(registry),
        help=HELP,
        epilog=EPILOG,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    for name, command in (("run", run.run), ("enhance", run.enhance)):
        defaults = {"default_map": user_defaults(name, command)}
        app.command(name, context_settings=defaults)(with_error_handling(command))
    app.command("check")(with_error_handling(check.check))
    app.command("schema")(with_error_handling(check.schema))
    app.add_typer(plugins.app, name="plugins")
    app.add_typer(models.app, name="models")
    app.command("doctor")(with_error_handling(doctor.doctor))
    for entry in registry.of(Kind.COMMAND):
        name = registry.name_of(entry)
        settings = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
        command = _plugin_command(registry, entry.full_name)
        app.command(name, help=entry.component.summary, context_settings=settings)(command)
    return app


def _group(registry: Registry) -> type[TyperGroup]:
    """A group of commands. If a command is unknown, its error names the disabled and broken plugins: it may be theirs."""

    class Commands(TyperGroup):
        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            command = super().get_command(ctx, cmd_name)
            if command is None and registry.unavailable_note() and not ctx.resilient_parsing:
                print_error(
                    f"there is no command '{cmd_name}'; {suggest(cmd_name, self.commands)}{registry.unavailable_note()}"
                )
                raise typer.Exit(UnknownComponent.exit_code)
            return command

    return Commands


def _plugin_command(registry: Registry, full_name: str) -> Callable[[typer.Context], None]:
    """A command that builds the plugin's command when it is called, and runs it."""

    def command(context: typer.Context) -> None:
        raise typer.Exit(registry.build(Kind.COMMAND, full_name)(context.args))

    return with_error_handling(command)


def _redirect_c_libraries() -> None:
    """Keep standard output for Python: what C libraries print there, as libsndfile does, goes to standard error."""
    # Standard output may be closed, or no file: in a test, or in another program that embeds this one.
    with contextlib.suppress(OSError, ValueError):
        descriptor = os.dup(sys.stdout.fileno())
        sys.stdout.flush()
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        sys.stdout = os.fdopen(descriptor, "w", encoding=sys.stdout.encoding)


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line. This is the entry point of the console script."""
    _redirect_c_libraries()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a file name may hold bytes that are not text
    try:
        app = build_app(discover())
    except UpscalerError as error:  # the user's configuration file is wrong
        print_error(str(error))
        sys.exit(error.exit_code)
    with safe_path():
        return app(arguments)
