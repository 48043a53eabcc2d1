"""The contract of commands."""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO

from upscaler_core.plugins.components import Kind
from upscaler_core.testing.rules import Subject, rule


@rule(Kind.COMMAND, "called with the words that follow its name, it answers --help and returns the exit code 0")
def command_help(subject: Subject) -> str | None:
    with redirect_stdout(StringIO()) as output:
        code = subject.built(["--help"])
    if code != 0 or isinstance(code, bool):
        return f"it returned {code!r}"
    return None if output.getvalue().strip() else "it printed nothing"
