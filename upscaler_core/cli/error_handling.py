"""Errors and interruptions as the user meets them: one sentence, the documented exit code, no traceback."""

from __future__ import annotations

import functools
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import typer

from upscaler_core.cli.starting import erase_start
from upscaler_core.errors import UpscalerError

INTERRUPTED = 130
"""Exit code of an interrupted process: 128 and the number of SIGINT, as shells have it."""

F = TypeVar("F", bound=Callable[..., Any])


def with_error_handling(command: F) -> F:
    """Wrap a command so that expected errors end it with their sentence and exit code."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        # SIGTERM (a polite kill) and SIGHUP (a closed terminal) end a command as Ctrl-C does: every `finally` runs.
        for name in ("SIGTERM", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), _interrupt)
        try:
            return command(*args, **kwargs)
        except UpscalerError as error:
            print_error(str(error))
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt as interruption:
            print_error(str(interruption) or "Stopped. Files that were finished are complete, the others are absent.")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # Nobody reads our output any more. What Python still flushes at exit must go somewhere too.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from None

    return wrapper  # type: ignore[return-value]


def run_app(function: Callable[..., Any], name: str, arguments: Sequence[str]) -> int:
    """Run a function as a Typer command. A plugin's command does this with the words that follow its name.

    Args:
        function: its parameters are annotated as Typer wants them; its docstring is the help.
        name: the command's name.
        arguments: the words.

    Returns:
        The exit code.
    """
    app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None, add_completion=False)
    app.command()(with_error_handling(function))
    try:
        app(list(arguments), prog_name=f"upscaler {name}")
    except SystemExit as exit_:
        return int(exit_.code or 0)
    return 0


def print_error(message: str) -> None:
    """Print an error's sentences to standard error, a line each."""
    erase_start()
    for line in message.splitlines():
        typer.echo(f"upscaler: {line}", err=True)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
